"""What the usage of a month comes to beyond what was billed of it, and what caps take off: read for many, then worked out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

from services.billing import store
from services.billing.domain.caps import Cap, cap_charge, component_of, in_force
from services.billing.domain.charges import Charge
from services.billing.domain.corrections import BilledUse, corrections
from services.billing.domain.meters import Meters
from services.billing.domain.periods import Days
from services.billing.domain.recurring import component
from services.billing.domain.tenant_caps import (
    TENANT_CAP,
    TenantCap,
    tenant_cap_charge,
    tenant_caps_of,
    tenant_component_of,
)
from services.billing.usecases.bound_month import BoundedMonth, bound_month
from services.billing.usecases.rate_usage import (
    MonthAsked,
    MonthUsed,
    RatedUse,
    rate,
    read_usage,
    spent_of,
)
from services.billing.usecases.services_in_time import ServiceInTime, TenantRun
from services.chassis.database import Connection


@dataclass(frozen=True, slots=True)
class TenantMonth:
    """A month of a tenant's usage, for a run."""

    run: TenantRun
    services: Sequence[ServiceInTime]
    month: Days


@dataclass(frozen=True, slots=True)
class MonthBooks:
    """What is in the books of a month: what was used, what was billed of it, and the tenant's caps."""

    used: MonthUsed
    billed: store.UsageBilled
    caps: Sequence[Cap]
    tenant_caps: Mapping[str, TenantCap]
    """By currency."""


async def read_months(
    db: Connection, meters: Meters, asked: Sequence[TenantMonth]
) -> list[MonthBooks]:
    """The books of months."""
    if not asked:
        return []
    used = await read_usage(
        db, meters, [MonthAsked(one.run.tenant, one.services, one.month) for one in asked]
    )
    billed = await store.billed_usage(db, [(one.run.tenant.id, one.month.start) for one in asked])
    tenants = {one.run.tenant.id: store.AsOf(one.run.tenant.id, one.run.as_of) for one in asked}
    caps = await store.caps_of(db, list(tenants.values()))
    tenant_caps = await store.tenant_caps_of(db, list(tenants.values()))
    return [
        MonthBooks(
            of_month, billed[one.run.tenant.id, one.month.start],
            in_force(caps[one.run.tenant.id], one.month.start),
            tenant_caps_of(tenant_caps[one.run.tenant.id], one.month.start),
        )
        for one, of_month in zip(asked, used, strict=True)
    ]  # fmt: skip


def usage_beyond(books: MonthBooks, meters: Meters) -> list[tuple[str, Charge]]:
    """The charges by service: usage beyond what was billed, then what caps take off."""
    asked, rated = books.used.asked, rate(books.used, meters)
    bounded = (
        bound_month(asked.services, rated, books.caps, books.tenant_caps, asked.month)
        if books.tenant_caps
        else None
    )
    return list(_of_month(rated, books.caps, bounded, books.billed, asked.month))


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
