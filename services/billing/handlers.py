"""Events in: the catalogue, tenants and their services. Usage comes by the slice (`metering/intake.py`)."""

from datetime import UTC, datetime, timedelta

from schemas.catalogue import CataloguePublished, Meter, ResellerRegistered
from schemas.envelope import Event
from schemas.horizon import EARLY_MAX
from schemas.scalars import plain
from schemas.tenants import ServiceActivated, ServiceChanged, TenantAssigned, TenantRegistered
from services.billing.domain.usage import QUARTER
from services.billing.jobs import (
    CHECK_EVERY,
    CheckMeters,
    CountService,
    CountWaiting,
    check_meters,
    count_service,
    count_waiting,
)
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.chassis.engine.records import on, routes
from services.chassis.store import rows
from services.chassis.unit import Unit

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = EARLY_MAX + timedelta(minutes=1)
"""No event that a door with a good clock lets in now is of a later instant."""


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Plans and meters in force. What waited for this catalogue is counted."""
    data = event.data
    for plan in data.plans:
        await sql.put_plan(
            unit.db, sku=plan.sku, revision=data.revision, currency=data.currency, plan=plan.model_dump(mode="json")
        )
    if not await rows(sql.meter_versions(unit.db)):  # once: each check plans the next
        unit.enqueue(check_meters, CheckMeters(), at=unit.now + CHECK_EVERY, key="check")
    changed = [await _put_meter(meter, data, unit) for meter in data.meters]
    await sql.see_revision(unit.db, revision=data.revision)
    if any(changed):
        await sql.touch_catalogue(unit.db)
    unit.enqueue(count_waiting, CountWaiting(), key="catalogue")


async def _put_meter(meter: Meter, data: CataloguePublished, unit: Unit) -> bool:
    """A meter's definition; if it is another one, a new version. The first one counts since ever, others never backwards:
    what is counted already keeps the definition it was counted by.
    """
    last = await sql.last_meter_version(unit.db, key=meter.key)
    if last is not None and last["revision"] >= data.revision:
        return False
    since = SINCE_EVER if last is None else max(data.valid_from, await _first_uncounted(unit))
    if last is not None and last["valid_from"] <= since and Meter.model_validate(last["meter"]) == meter:
        return False
    await sql.add_meter_version(
        unit.db, key=meter.key, version=1 if last is None else last["version"] + 1, revision=data.revision,
        valid_from=since, meter=meter.model_dump(mode="json"),
    )  # fmt: skip
    return True


async def _first_uncounted(unit: Unit) -> datetime:
    """From when on no event is counted yet: a little ahead of the clock, or more where another clock was ahead of it."""
    ahead = unit.now + AHEAD
    beyond: datetime | None = await metering.counted_beyond(unit.db, instant=ahead + QUARTER)
    return beyond or ahead


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """Resellers are numbered with the catalogue: what the doors had seen of it, has now been seen here too."""
    await sql.note_reseller(unit.db, id=event.data.reseller_id)
    await sql.see_revision(unit.db, revision=event.data.revision)
    unit.enqueue(count_waiting, CountWaiting(), key="catalogue")


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """Who will be invoiced."""
    data = event.data
    await sql.describe_tenant(
        unit.db, id=event.subject, external_id=data.external_id, zone=data.timezone, currency=data.currency,
        details=data.model_dump(mode="json"),
    )  # fmt: skip


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Whose business it is."""
    await sql.note_reseller(unit.db, id=event.data.reseller_id)
    await sql.set_reseller(unit.db, id=event.subject, reseller_id=event.data.reseller_id)


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service counts from its effective date; its plan is frozen as sold once the catalogue is here."""
    data = event.data
    await sql.ensure_tenant(unit.db, id=event.subject)
    await _change(event.data, unit)
    unit.enqueue(
        count_service,
        CountService(
            service_id=data.service_id,
            tenant_id=event.subject,
            sku=data.sku,
            item=data.item,
            effective_at=data.effective_at,
        ),
        key=data.service_id,
    )


async def service_changed(event: Event[ServiceChanged], unit: Unit) -> None:
    """Quantities from a day on."""
    await _change(event.data, unit)


async def _change(data: ServiceActivated | ServiceChanged, unit: Unit) -> None:
    await sql.add_change(
        unit.db, service_id=data.service_id, effective_at=data.effective_at,
        quantities={meter: plain(n) for meter, n in data.quantities.items()},
    )  # fmt: skip


ROUTES = routes(
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
    on(TenantRegistered, tenant_registered),
    on(TenantAssigned, tenant_assigned),
    on(ServiceActivated, service_activated),
    on(ServiceChanged, service_changed),
)
