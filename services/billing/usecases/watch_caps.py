"""Watch spending caps: the amount of the month so far, and notices when a share of a cap is spent."""

from datetime import date, datetime
from decimal import Decimal

from schemas.billing import CapForeseen, CapReached, TenantCapForeseen, TenantCapReached
from schemas.currencies import minor_unit
from services.billing import store
from services.billing.domain.caps import Cap, in_force, reached
from services.billing.domain.forecast import AS_IT_IS, pace
from services.billing.domain.model import BilledTenant
from services.billing.domain.money import half_up
from services.billing.domain.periods import Days, civil_day, midnight, month_of
from services.billing.domain.tenant_caps import TenantCap, tenant_caps_of
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.bound_month import BoundedMonth, bound_month
from services.billing.usecases.rate_usage import (
    MonthAsked,
    RatedUse,
    rate,
    rate_usage,
    read_usage,
    spent_of,
)
from services.billing.usecases.services_in_time import services_in_time
from services.chassis.database import Connection
from services.chassis.unit import Unit

FORESEEN = 0
"""In place of a share, for the notice that a cap will be passed."""


async def spent_to_date(unit: Unit, tenant: BilledTenant, cap: Cap) -> Decimal:
    """What the meters of a cap have come to in this month."""
    return spent_of(cap, await rated_to_date(unit.db, tenant, unit.now))


async def rated_to_date(db: Connection, tenant: BilledTenant, now: datetime) -> list[RatedUse]:
    """The usage of this month so far."""
    month = month_of(civil_day(now, tenant.zone))
    services = await services_in_time(db, tenant, now)
    return await rate_usage(db, tenant, await load_meters(db), services, month, until=now)


async def bounded_to_date(db: Connection, tenant: BilledTenant, now: datetime) -> BoundedMonth:
    """The fees of this month, and its usage so far below the caps of each service."""
    month = month_of(civil_day(now, tenant.zone))
    services = await services_in_time(db, tenant, now)
    rated = await rate_usage(db, tenant, await load_meters(db), services, month, until=now)
    caps = in_force(await store.caps(db, tenant.id, now), month.start)
    return bound_month(services, rated, caps, {}, month)


async def tell(tenant: BilledTenant, unit: Unit) -> bool:
    """Tell which shares of caps are spent, and which caps will be passed, each once a month.

    Returns whether there is any cap to watch.
    """
    told = await store.caps(unit.db, tenant.id, unit.now)
    month = month_of(civil_day(unit.now, tenant.zone))
    caps = in_force(told, month.start)
    told_of_all = await store.tenant_caps(unit.db, tenant.id, unit.now)
    whole = tenant_caps_of(told_of_all, month.start)
    if caps or whole:
        services = await services_in_time(unit.db, tenant, unit.now)
        meters = await load_meters(unit.db)
        times = pace(midnight(month.start, tenant.zone), unit.now, midnight(month.end, tenant.zone))
        asked = [MonthAsked(tenant, services, month, unit.now), MonthAsked(tenant, services, month)]
        used, by_end = await read_usage(unit.db, meters, asked)
        rated, foreseen = rate(used, meters), rate(by_end, meters, times)
        for cap in caps:
            await _tell_reached(tenant, cap, month.start, spent_of(cap, rated), unit)
            if times != AS_IT_IS:
                spent, forecast = spent_of(cap, rated), spent_of(cap, foreseen)
                await _tell_foreseen(tenant, cap, month.start, spent, forecast, unit)
        so_far = bound_month(services, rated, caps, {}, month)
        by_then = bound_month(services, foreseen, caps, {}, month) if times != AS_IT_IS else so_far
        for tenant_cap in whole.values():
            await _tell_of_all(tenant, tenant_cap, month, so_far, by_then, unit)
    amounts = [*(cap.amount for cap in told), *(cap.amount for cap in told_of_all)]
    return any(amount is not None for amount in amounts)


async def _tell_of_all(
    tenant: BilledTenant, cap: TenantCap, month: Days, so_far: BoundedMonth, by_then: BoundedMonth, unit: Unit
) -> None:  # fmt: skip
    """The same of a cap on the whole month."""
    step = minor_unit(cap.currency)
    spent, forecast = (half_up(one.spent_of(cap.currency), step) for one in (so_far, by_then))
    allowed = cap.amount_of(month.start)

    async def is_new(percent: int) -> bool:
        return bool(
            await sql.note_tenant_cap(
                unit.db, tenant_id=tenant.id, currency=cap.currency, month=month.start, percent=percent
            )
        )  # fmt: skip

    fresh = [percent for percent in reached(allowed, spent) if await is_new(percent)]
    if fresh:
        unit.publish(
            TenantCapReached(currency=cap.currency, month=month.start, amount=allowed, hard=cap.is_hard, spent=spent,
                             percent=max(fresh), reseller_id=tenant.reseller_id),
            subject=tenant.id,
        )  # fmt: skip
    if spent < allowed < forecast and await is_new(FORESEEN):
        unit.publish(
            TenantCapForeseen(currency=cap.currency, month=month.start, amount=allowed, hard=cap.is_hard, spent=spent,
                              forecast=forecast, reseller_id=tenant.reseller_id),
            subject=tenant.id,
        )  # fmt: skip


async def _tell_reached(
    tenant: BilledTenant, cap: Cap, month: date, spent: Decimal, unit: Unit
) -> None:
    allowed = cap.amount_of(month)
    assert allowed is not None
    fresh = [
        percent for percent in reached(allowed, spent) if await _note(tenant, cap, month, percent, unit)
    ]  # fmt: skip
    if fresh:
        unit.publish(
            CapReached(service_id=cap.service_id, meters=cap.meters, month=month, amount=allowed, hard=cap.is_hard,
                       spent=spent, percent=max(fresh), reseller_id=tenant.reseller_id),
            subject=tenant.id,
        )  # fmt: skip


async def _tell_foreseen(
    tenant: BilledTenant, cap: Cap, month: date, spent: Decimal, forecast: Decimal, unit: Unit
) -> None:
    allowed = cap.amount_of(month)
    assert allowed is not None
    if spent < allowed < forecast and await _note(tenant, cap, month, FORESEEN, unit):
        unit.publish(
            CapForeseen(service_id=cap.service_id, meters=cap.meters, month=month, amount=allowed, hard=cap.is_hard,
                        spent=spent, forecast=forecast, reseller_id=tenant.reseller_id),
            subject=tenant.id,
        )  # fmt: skip


async def _note(tenant: BilledTenant, cap: Cap, month: date, percent: int, unit: Unit) -> bool:
    """Whether it was not reported before."""
    return bool(
        await sql.note_cap(
            unit.db, tenant_id=tenant.id, service_id=cap.service_id, meters=cap.meters, month=month, percent=percent
        )
    )  # fmt: skip
