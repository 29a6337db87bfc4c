"""What a tenant owes at a boundary: fees of its services, then the usage of the month before and of months to be rated again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from services.billing import store
from services.billing.domain.caps import Cap, cap_charge, component_of, in_force
from services.billing.domain.charges import Charge
from services.billing.domain.corrections import BilledUse, corrections
from services.billing.domain.documents import ServiceCharge
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.periods import Days, civil_day, month_of, months
from services.billing.domain.quantities import QuantityFact, timeline
from services.billing.domain.recurring import component, recurring_charges, setup_charge
from services.billing.domain.tenant_caps import (
    TENANT_CAP,
    tenant_cap_charge,
    tenant_caps_of,
    tenant_component_of,
)
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.bound_month import BoundedMonth, bound_month
from services.billing.usecases.rate_usage import (
    RatedUse,
    ServiceInTime,
    by_service,
    rate_usage,
    spent_of,
)
from services.chassis.database import Connection


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about beside what is known: facts of services by their id, and services that are not there."""

    facts: Mapping[str, Sequence[QuantityFact]] = field(default_factory=dict)
    services: Sequence[BilledService] = ()

    @property
    def since(self) -> datetime | None:
        """The earliest instant that it is about."""
        return min((fact.effective_at for facts in self.facts.values() for fact in facts), default=None)  # fmt: skip


NOTHING = Asked()


async def charge_tenant(
    db: Connection, tenant: BilledTenant, boundary: date, as_of: datetime, asked: Asked = NOTHING
) -> list[ServiceCharge]:
    """All charges of a run, in the order of the document. What was stored after `as_of` is left for the next run."""
    services = await services_in_time(db, tenant, as_of, asked)
    whole = boundary.day == 1
    due = [
        one for one in services if one.started <= boundary and (whole or one.started == boundary)
    ]
    fees = {one.service.id: await _fees(db, one, boundary) for one in due}
    if whole:
        since = asked.since and civil_day(asked.since, tenant.zone)
        usage = by_service(await _usage(db, tenant, services, boundary, as_of, since))
    else:
        usage = {}
    return [
        ServiceCharge(one.service.id, charge, one.service.currency)
        for one in due
        for charge in (*fees[one.service.id], *usage.get(one.service.id, ()))
    ]


async def services_in_time(
    db: Connection, tenant: BilledTenant, as_of: datetime, asked: Asked = NOTHING
) -> list[ServiceInTime]:
    """A tenant's services with their quantities, as known at an instant; behind them, what is asked about."""
    found = []
    agreed = await store.agreed_prices(db, tenant.id, as_of)
    for service in (*await store.services(db, tenant.id), *asked.services):
        known = await store.quantity_facts(db, service.id, as_of)
        facts = [*known, *asked.facts.get(service.id, ())]
        if facts:
            started = civil_day(service.activated_at, tenant.zone)
            changes = timeline(facts, service.activated_at, tenant.zone)
            found.append(ServiceInTime(service, started, changes, agreed))
    return found


async def _fees(db: Connection, one: ServiceInTime, boundary: date) -> list[Charge]:
    plan = one.service.plan
    is_set_up = await sql.has_setup(db, service_id=one.service.id)
    setup = None if is_set_up else setup_charge(plan, one.started, one.service.step)
    billed = await store.billed(db, one.service.id)
    charges = recurring_charges(plan, one.changes, billed, boundary, one.service.step, one.price_of)
    return [*([setup] if setup else []), *charges]


async def _usage(
    db: Connection,
    tenant: BilledTenant,
    services: Sequence[ServiceInTime],
    boundary: date,
    as_of: datetime,
    since: date | None,
) -> list[tuple[str, Charge]]:
    """The charges of the month before; then, oldest first, what earlier months come to beyond what was billed of them."""
    last = month_of(_day_before(boundary))
    charges: list[tuple[str, Charge]] = []
    for month in (last, *await _dirty(db, tenant.id, last, since)):
        charges += await usage_beyond(db, tenant, services, month, as_of)
    return charges


async def usage_beyond(
    db: Connection, tenant: BilledTenant, services: Sequence[ServiceInTime], month: Days, as_of: datetime
) -> list[tuple[str, Charge]]:  # fmt: skip
    """What a month's usage comes to beyond what was billed of it, by service."""
    billed = await store.billed_usage(db, tenant.id, month.start)
    rated = await rate_usage(db, tenant, await load_meters(db), services, month)
    caps = in_force(await store.caps(db, tenant.id, as_of), month.start)
    whole = tenant_caps_of(await store.tenant_caps(db, tenant.id, as_of), month.start)
    bounded = bound_month(services, rated, caps, whole, month) if whole else None
    return list(_of_month(rated, caps, bounded, billed, month))


def _of_month(
    rated: Sequence[RatedUse], caps: Sequence[Cap], bounded: BoundedMonth | None,
    billed: Mapping[tuple[str, str, str], Sequence[BilledUse]], month: Days,
) -> Iterator[tuple[str, Charge]]:  # fmt: skip
    """What a month comes to beyond what was billed of it; behind a service's usage, what caps take off."""
    taken = bounded.taken if bounded else {}
    for service, uses in groupby(rated, key=lambda use: use.service):
        own, plan = list(uses), service.plan
        bounds = [cap for cap in caps if cap.service_id == service.id]
        together = TENANT_CAP if service.id in taken else None
        for use in own:
            rows = billed.get((service.id, component(plan, use.price), use.price.meter), ())
            bound = any(cap.is_hard and use.price.meter in cap.meters for cap in bounds)
            for charge in corrections(plan, use.price, use.charges, rows, month, service.step):
                yield (
                    service.id,
                    replace(charge, cap=together or (component_of(plan) if bound else None)),
                )
        for cap in bounds:
            rows = billed.get((service.id, component_of(plan), "+".join(cap.meters)), ())
            own_cap = cap_charge(plan, cap, spent_of(cap, own), _net(rows), month)
            if own_cap is not None:
                yield service.id, replace(own_cap, cap=together or own_cap.cap)
        if together:
            rows = billed.get((service.id, tenant_component_of(plan), TENANT_CAP), ())
            shared = tenant_cap_charge(plan, taken[service.id], _net(rows), month)
            if shared is not None:
                yield service.id, shared


def _net(rows: Sequence[BilledUse]) -> Decimal:
    return sum((row.net for row in rows), Decimal(0))


async def _dirty(db: Connection, tenant_id: str, last: Days, since: date | None) -> list[Days]:
    """The months before `last` that are rated again: from the oldest one that changed on, for a level lasts."""
    oldest = await sql.oldest_dirty(db, tenant_id=tenant_id)
    changed = [day for day in (oldest, since) if day is not None]
    return (
        months(min(changed), _day_before(last.start))
        if changed and min(changed) < last.start
        else []
    )


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)
