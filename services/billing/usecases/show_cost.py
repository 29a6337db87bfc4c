"""Show what a tenant's month costs: its fees, its usage so far, and what it will come to if it goes on like this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from schemas.currencies import minor_unit
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.caps import Cap, in_force
from services.billing.domain.forecast import pace
from services.billing.domain.model import BilledTenant
from services.billing.domain.money import half_up
from services.billing.domain.periods import civil_day, midnight, month_of
from services.billing.domain.recurring import fees_of_month
from services.billing.metering.knowledge import load_meters
from services.billing.usecases.charge_tenant import services_in_time
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.rate_usage import RatedUse, rate_usage, spent_of
from services.chassis.database import Connection


@dataclass(frozen=True, slots=True)
class ServiceCost:
    """What a service costs in a month, net of IVA; what hard caps take off is off."""

    service_id: str
    sku: str
    currency: str
    fees: Decimal
    usage: Decimal
    usage_forecast: Decimal


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What a tenant's services cost in the month that begins on a day."""

    month: date
    services: tuple[ServiceCost, ...]


async def cost_of_month(db: Connection, tenant: BilledTenant, now: datetime) -> MonthCost:
    """The running month of a tenant, as of an instant."""
    month = month_of(civil_day(now, tenant.zone))
    services = await services_in_time(db, tenant, now)
    meters = await load_meters(db)
    caps = in_force(await store.caps(db, tenant.id, now), month.start)
    times = pace(midnight(month.start, tenant.zone), now, midnight(month.end, tenant.zone))
    so_far = await rate_usage(db, tenant, meters, services, month, until=now)
    foreseen = await rate_usage(db, tenant, meters, services, month, pace=times)
    return MonthCost(month.start, tuple(
        ServiceCost(
            one.service.id, one.service.plan.sku, one.service.currency,
            fees_of_month(one.service.plan, one.changes, month, one.service.step, one.price_of),
            _usage(one.service.id, so_far, caps, month.start), _usage(one.service.id, foreseen, caps, month.start),
        )
        for one in services if one.started < month.end
    ))  # fmt: skip


def _usage(service_id: str, rated: Sequence[RatedUse], caps: Sequence[Cap], month: date) -> Decimal:
    """What a service's usage comes to, below its hard caps."""
    whole = sum(
        (charge.net for use in rated if use.service.id == service_id for charge in use.charges), Decimal(0)
    )  # fmt: skip
    for cap in caps:
        allowed = cap.amount_of(month)
        if cap.service_id == service_id and cap.is_hard and allowed is not None:
            whole -= max(Decimal(0), spent_of(cap, rated) - allowed)
    return whole


async def show_cost(db: Connection, tenant_id: str, now: datetime) -> dict[str, Any]:
    """The running month by currency and service, amounts as text. Raises `NotKnown`."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        tenant = await store.tenant(db, tenant_id)
        if tenant is None:
            raise NotKnown("no such tenant")
        found = await cost_of_month(db, tenant, now)
    return {
        "month": found.month, "as_of": now,
        "currencies": [
            _of_currency(currency, [one for one in found.services if one.currency == currency])
            for currency in dict.fromkeys(one.currency for one in found.services)
        ],
    }  # fmt: skip


def _of_currency(currency: str, services: Sequence[ServiceCost]) -> dict[str, Any]:
    def amount(found: Decimal) -> str:
        return plain(half_up(found, minor_unit(currency)))

    fees = sum((one.fees for one in services), Decimal(0))
    usage = sum((one.usage for one in services), Decimal(0))
    foreseen = sum((one.usage_forecast for one in services), Decimal(0))
    return {
        "currency": currency, "fees": amount(fees), "usage": amount(usage), "cost": amount(fees + usage),
        "usage_forecast": amount(foreseen), "forecast": amount(fees + foreseen),
        "services": [
            {"service_id": one.service_id, "sku": one.sku, "fees": amount(one.fees), "usage": amount(one.usage),
             "usage_forecast": amount(one.usage_forecast)}
            for one in services
        ],
    }  # fmt: skip
