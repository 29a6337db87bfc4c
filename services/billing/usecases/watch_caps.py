"""Watch spending caps: what the month has come to so far, and who is told when a share of a cap is spent."""

from datetime import datetime
from decimal import Decimal

from schemas.billing import CapReached
from services.billing import store
from services.billing.domain.caps import Cap, in_force, reached
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import civil_day, month_of
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.charge_tenant import services_in_time
from services.billing.usecases.rate_usage import RatedUse, rate_usage, spent_of
from services.chassis.database import Connection
from services.chassis.unit import Unit


async def spent_to_date(unit: Unit, tenant: BilledTenant, cap: Cap) -> Decimal:
    """What the meters of a cap have come to in this month."""
    return spent_of(cap, await rated_to_date(unit.db, tenant, unit.now))


async def rated_to_date(db: Connection, tenant: BilledTenant, now: datetime) -> list[RatedUse]:
    """The usage of this month so far."""
    month = month_of(civil_day(now, tenant.zone))
    services = await services_in_time(db, tenant, now)
    return await rate_usage(db, tenant, await load_meters(db), services, month, until=now)


async def tell(tenant: BilledTenant, unit: Unit) -> bool:
    """Tell which shares of caps are spent, each once a month; returns whether there is any cap to watch."""
    told = await store.caps(unit.db, tenant.id, unit.now)
    month = month_of(civil_day(unit.now, tenant.zone))
    caps = in_force(told, month.start)
    rated = await rated_to_date(unit.db, tenant, unit.now) if caps else []
    for cap in caps:
        allowed, spent = cap.amount_of(month.start), spent_of(cap, rated)
        assert allowed is not None
        fresh = [
            percent for percent in reached(allowed, spent)
            if await sql.note_cap(unit.db, tenant_id=tenant.id, service_id=cap.service_id, meters=cap.meters,
                                  month=month.start, percent=percent)
        ]  # fmt: skip
        if fresh:
            unit.publish(
                CapReached(service_id=cap.service_id, meters=cap.meters, month=month.start, amount=allowed, hard=cap.is_hard,
                           spent=spent, percent=max(fresh), reseller_id=tenant.reseller_id),
                subject=tenant.id,
            )  # fmt: skip
    return any(cap.amount is not None for cap in told)
