"""Show what a tenant's month costs: its fees, its usage so far, and what it will come to if it goes on like this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from schemas.currencies import minor_unit
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.caps import in_force
from services.billing.domain.forecast import pace
from services.billing.domain.model import BilledTenant
from services.billing.domain.money import half_up
from services.billing.domain.periods import civil_day, midnight, month_of
from services.billing.domain.tenant_caps import tenant_caps_of
from services.billing.metering.knowledge import load_meters
from services.billing.usecases.bound_month import bound_month
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.rate_usage import MonthAsked, rate, read_usage
from services.billing.usecases.services_in_time import services_in_time
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
    whole = tenant_caps_of(await store.tenant_caps(db, tenant.id, now), month.start)
    times = pace(midnight(month.start, tenant.zone), now, midnight(month.end, tenant.zone))
    asked = [MonthAsked(tenant, services, month, now), MonthAsked(tenant, services, month)]
    used, by_end = await read_usage(db, meters, asked)
    so_far, foreseen = rate(used, meters), rate(by_end, meters, times)
    until_now = bound_month(services, so_far, caps, whole, month)
    by_then = bound_month(services, foreseen, caps, whole, month)
    return MonthCost(month.start, tuple(
        ServiceCost(
            one.service.id, one.service.plan.sku, one.service.currency, until_now.fees[one.service.id],
            until_now.billed_of(one.service.id), by_then.billed_of(one.service.id),
        )
        for one in until_now.services
    ))  # fmt: skip


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
