"""Check the meters: compare the last days' buckets with their raw events, some tenants at a time, then drop old days."""

from dataclasses import dataclass
from datetime import date, timedelta

from services.billing import store
from services.billing.job_kinds import CheckMeters, check_meters
from services.billing.metering.checks import verify
from services.billing.metering.days import drop_before
from services.billing.metering.store import sql as metering
from services.chassis.database import Connection
from services.chassis.logs import logger
from services.chassis.unit import Unit

CHECK_EVERY = timedelta(hours=6)
CHECK_DAYS = 2
"""Civil days that are checked each time: today and yesterday, where nearly all usage arrives."""

TENANTS_AT_ONCE = 200
"""Tenants whose buckets are in memory together: some 30 kB each, more with many meters."""

CHECK = "check"
"""The one check there is at a time, as a job's key."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a check has come. `last_tenant`: the check goes on after it; None: all tenants have been compared."""

    day: date
    buckets: int
    differences: int
    last_tenant: str | None


def plan_check(unit: Unit) -> None:
    """Plan the next check."""
    unit.enqueue(check_meters, CheckMeters(), at=unit.now + CHECK_EVERY, key=CHECK)


async def compare_some(db: Connection, args: CheckMeters, today: date) -> Checked:
    """Compare the buckets of the next tenants with their raw events; each difference is logged."""
    day = args.day or today
    tenants = await store.tenants_beyond(db, args.beyond, TENANTS_AT_ONCE)
    buckets, differences = args.buckets, args.differences
    if tenants:
        outcome = await verify(db, tenants, _since(day), day + timedelta(1))
        buckets, differences = buckets + outcome.buckets, differences + len(outcome.differences)
        for difference in outcome.differences:
            log.error("a bucket differs from its events", **_plain(difference))
    last_tenant = tenants[-1].id if len(tenants) == TENANTS_AT_ONCE else None
    return Checked(day, buckets, differences, last_tenant)


async def go_on(checked: Checked, raw_days: int, unit: Unit) -> None:
    """Check the next tenants; after the last, save the result, drop raw events of old days and plan the next check."""
    if checked.last_tenant is not None:
        rest = CheckMeters(
            day=checked.day,
            beyond=checked.last_tenant,
            buckets=checked.buckets,
            differences=checked.differences,
        )
        unit.enqueue(check_meters, rest, key=CHECK)
        return
    await metering.add_check(
        unit.db, checked_at=unit.now, from_day=_since(checked.day), to_day=checked.day + timedelta(1),
        buckets=checked.buckets, differences=checked.differences,
    )  # fmt: skip
    await drop_before(unit.db, checked.day - timedelta(raw_days))
    plan_check(unit)


def _since(day: date) -> date:
    return day - timedelta(CHECK_DAYS - 1)


def _plain(difference: object) -> dict[str, str]:
    return {
        name: str(getattr(difference, name))
        for name in ("tenant_id", "meter", "starts", "stored", "recomputed")
    }
