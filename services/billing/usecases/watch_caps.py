"""Watch spending caps: the amount of the month so far, and notices when a share of a cap is spent."""

from datetime import date, datetime
from decimal import Decimal

from schemas.billing import CapForeseen, CapReached
from services.billing import store
from services.billing.domain.caps import Cap, in_force, reached
from services.billing.domain.forecast import AS_IT_IS, pace
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import civil_day, midnight, month_of
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.charge_tenant import services_in_time
from services.billing.usecases.rate_usage import RatedUse, rate_usage, spent_of
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


async def tell(tenant: BilledTenant, unit: Unit) -> bool:
    """Tell which shares of caps are spent, and which caps will be passed, each once a month.

    Returns whether there is any cap to watch.
    """
    told = await store.caps(unit.db, tenant.id, unit.now)
    month = month_of(civil_day(unit.now, tenant.zone))
    caps = in_force(told, month.start)
    if caps:
        services = await services_in_time(unit.db, tenant, unit.now)
        meters = await load_meters(unit.db)
        rated = await rate_usage(unit.db, tenant, meters, services, month, until=unit.now)
        times = pace(midnight(month.start, tenant.zone), unit.now, midnight(month.end, tenant.zone))
        foreseen = await rate_usage(unit.db, tenant, meters, services, month, pace=times)
        for cap in caps:
            await _tell_reached(tenant, cap, month.start, spent_of(cap, rated), unit)
            if times != AS_IT_IS:
                spent, forecast = spent_of(cap, rated), spent_of(cap, foreseen)
                await _tell_foreseen(tenant, cap, month.start, spent, forecast, unit)
    return any(cap.amount is not None for cap in told)


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
