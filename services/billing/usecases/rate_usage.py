"""Rate a month's usage of a tenant: what all of it comes to, whatever was billed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from schemas.catalogue import UsagePrice
from services.billing.domain.allowances import MeteredUse, free_quantities
from services.billing.domain.charges import Charge
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.money import exactly
from services.billing.domain.periods import Days
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change
from services.billing.domain.recurring import average_units
from services.billing.metering.reading import days, metered
from services.chassis.database import Connection


@dataclass(frozen=True, slots=True)
class ServiceInTime:
    """A service of a tenant, the civil day it started, and its ordered quantities since."""

    service: BilledService
    started: date
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class RatedUse:
    """The charges of one usage price of a service, for a month."""

    service: BilledService
    price: UsagePrice
    charges: Sequence[Charge]


async def rate_usage(
    db: Connection, tenant: BilledTenant, meters: Meters, services: Sequence[ServiceInTime], month: Days
) -> list[RatedUse]:  # fmt: skip
    """The charges of a month, by service in their order, then as the plan has its prices. Allowances may be pooled."""
    span = days(month.start, month.end, tenant.zone)
    priced: list[BilledService] = []
    uses: list[MeteredUse] = []
    for one in services:
        if one.started >= month.end:
            continue
        for price in one.service.plan.usage:
            used = await metered(db, one.service.id, price.meter, meters, span)
            priced.append(one.service)
            included = _included(price, one.changes, month)
            uses.append(MeteredUse(one.service.plan.sku, price, used, included))
    return [
        RatedUse(service, use.price, usage_charges(service.plan, use.price, use.quantity, free, month))
        for service, use, free in zip(priced, uses, free_quantities(uses), strict=True)
    ]  # fmt: skip


def by_service(charges: Sequence[tuple[str, Charge]]) -> Mapping[str, list[Charge]]:
    """Charges by the service they are for."""
    found: dict[str, list[Charge]] = {}
    for service_id, charge in charges:
        found.setdefault(service_id, []).append(charge)
    return found


def _included(price: UsagePrice, changes: Sequence[Change], month: Days) -> Decimal:
    included = price.included or Decimal(0)
    if price.included_per is None:
        return included
    with exactly():
        return included * average_units(changes, price.included_per, month)
