"""What tenants owe at a boundary: fees of their services, then usage of the month before and of months to be rated again."""

from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime

from services.billing import store
from services.billing.domain.charges import Charge
from services.billing.domain.documents import ServiceCharge
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import Days, civil_day, month_of, months
from services.billing.domain.recurring import Billed, recurring_charges, setup_charge
from services.billing.metering.knowledge import load_meters
from services.billing.usecases.rate_usage import by_service
from services.billing.usecases.services_in_time import (
    NOTHING,
    Asked,
    ServiceInTime,
    TenantRun,
    services_of,
)
from services.billing.usecases.usage_beyond import (
    MonthBooks,
    TenantMonth,
    read_months,
    usage_beyond,
)
from services.chassis.database import Connection


async def charge_tenant(
    db: Connection, tenant: BilledTenant, boundary: date, as_of: datetime, asked: Asked = NOTHING
) -> list[ServiceCharge]:
    """All charges of a run, in the order of the document. What was stored after `as_of` is left for the next run."""
    found = (await charge_tenants(db, [TenantRun(tenant, as_of, asked)], boundary))[tenant.id]
    if isinstance(found, Exception):
        raise found
    return found


async def charge_tenants(
    db: Connection, runs: Sequence[TenantRun], boundary: date
) -> dict[str, list[ServiceCharge] | Exception]:
    """The charges of many tenants' runs of one boundary, or why a tenant's cannot be made: nobody suffers from another."""
    services, meters = await services_of(db, runs), await load_meters(db)
    there = [one.service.id for own in services.values() for one in own]
    billed, set_up = await store.billed(db, there), await store.set_up(db, there)
    asked = [
        TenantMonth(run, services[run.tenant.id], month)
        for run, own in zip(runs, await _months(db, runs, boundary), strict=True) for month in own
    ]  # fmt: skip
    books: dict[str, list[MonthBooks]] = {}
    for one, found in zip(asked, await read_months(db, meters, asked), strict=True):
        books.setdefault(one.run.tenant.id, []).append(found)
    charged: dict[str, list[ServiceCharge] | Exception] = {}
    for run in runs:
        tenant_id = run.tenant.id
        try:
            usage = [
                charge for one in books.get(tenant_id, ()) for charge in usage_beyond(one, meters)
            ]
            charged[tenant_id] = _in_order(
                services[tenant_id], boundary, billed, set_up, by_service(usage)
            )
        except Exception as error:  # noqa: BLE001 - it is given back, and raised by whoever runs this tenant
            charged[tenant_id] = error
    return charged


def _in_order(
    services: Sequence[ServiceInTime], boundary: date, billed: Mapping[str, Mapping[str, Sequence[Billed]]],
    set_up: Container[str], usage: Mapping[str, Sequence[Charge]],
) -> list[ServiceCharge]:  # fmt: skip
    """Fees of each service, then its usage."""
    due = [
        one for one in services
        if one.started <= boundary and (boundary.day == 1 or one.started == boundary)
    ]  # fmt: skip
    return [
        ServiceCharge(one.service.id, charge, one.service.currency)
        for one in due
        for charge in (
            *_fees(one, boundary, billed[one.service.id], is_set_up=one.service.id in set_up),
            *usage.get(one.service.id, ()),
        )
    ]


def _fees(
    one: ServiceInTime, boundary: date, billed: Mapping[str, Sequence[Billed]], *, is_set_up: bool
) -> list[Charge]:
    plan, step = one.service.plan, one.service.step
    setup = None if is_set_up else _setup(one, boundary)
    charges = recurring_charges(
        plan, one.changes, billed, boundary, step, one.price_of, one.free_of
    )
    return [*([setup] if setup else []), *charges]


def _setup(one: ServiceInTime, boundary: date) -> Charge | None:
    """The set-up fee: due at the start, or when a trial is over; not of a service that had ended by then."""
    day, ended = one.charged_from, one.life.ended
    if boundary < day or (ended is not None and ended <= day):
        return None
    return setup_charge(one.service.plan, day, one.service.step)


async def _months(db: Connection, runs: Sequence[TenantRun], boundary: date) -> list[list[Days]]:
    """Of each run the month before its boundary; then, oldest first, those before it that are rated again."""
    if boundary.day != 1:
        return [[] for _ in runs]
    last = month_of(_day_before(boundary))
    dirty = await store.oldest_dirty(db, [run.tenant.id for run in runs])
    return [
        [last, *_again(last, dirty.get(run.tenant.id), run.asked.since and civil_day(run.asked.since, run.tenant.zone))]
        for run in runs
    ]  # fmt: skip


def _again(last: Days, oldest: date | None, since: date | None) -> list[Days]:
    """The months before `last` that are rated again: from the oldest one that changed on, for a level lasts."""
    changed = [day for day in (oldest, since) if day is not None]
    return (
        months(min(changed), _day_before(last.start))
        if changed and min(changed) < last.start
        else []
    )


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)
