"""Put a catalogue into force: its plans, and its meters as new versions where their definition changed."""

from datetime import UTC, datetime, timedelta

from schemas.catalogue import CataloguePublished, Meter
from schemas.horizon import EARLY_MAX
from services.billing.domain.usage import QUARTER
from services.billing.job_kinds import CountWaiting, count_waiting
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.billing.usecases.check_meters import plan_check
from services.billing.usecases.watch_books import plan_audit
from services.chassis.store import collect
from services.chassis.unit import Unit

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = EARLY_MAX + timedelta(minutes=1)
"""No event that a door with a correct clock accepts now is of a later instant."""


async def publish_catalogue(data: CataloguePublished, unit: Unit) -> None:
    """Save plans and meters, and count what waited for this catalogue."""
    for plan in data.plans:
        await sql.put_plan(
            unit.db,
            sku=plan.sku,
            revision=data.revision,
            valid_from=data.valid_from,
            currency=data.currency,
            plan=plan.model_dump(mode="json"),
        )
    if not await collect(sql.meter_versions(unit.db)):  # once: each check plans the next
        plan_check(unit)
        plan_audit(unit)
    changed = [await _put_meter(meter, data, unit) for meter in data.meters]
    await see_revision(data.revision, unit)
    if any(changed):
        await sql.touch_catalogue(unit.db)


async def see_revision(revision: int, unit: Unit) -> None:
    """Note how far the catalogue has moved on, and count what waited for that."""
    await sql.see_revision(unit.db, revision=revision)
    unit.enqueue(count_waiting, CountWaiting(), key="catalogue")


async def _put_meter(meter: Meter, data: CataloguePublished, unit: Unit) -> bool:
    """Save a definition as a new version if it differs from the last one; returns whether it did.

    The first version counts since ever, later ones never backwards: what is counted already keeps its definition.
    """
    last = await sql.last_meter_version(unit.db, key=meter.key)
    if last is not None and last["revision"] >= data.revision:
        return False
    since = SINCE_EVER if last is None else max(data.valid_from, await _first_uncounted(unit))
    if (
        last is not None
        and last["valid_from"] <= since
        and Meter.model_validate(last["meter"]) == meter
    ):
        return False
    await sql.add_meter_version(
        unit.db, key=meter.key, version=1 if last is None else last["version"] + 1, revision=data.revision,
        valid_from=since, meter=meter.model_dump(mode="json"),
    )  # fmt: skip
    return True


async def _first_uncounted(unit: Unit) -> datetime:
    """A safe start for a new version: later than any event already counted or in flight."""
    ahead = unit.now + AHEAD
    beyond: datetime | None = await metering.counted_beyond(unit.db, instant=ahead + QUARTER)
    return beyond or ahead
