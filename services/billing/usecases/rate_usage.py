"""Rate a month's usage of a tenant: what all of it comes to, whatever was billed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from schemas.catalogue import Aggregation, UsagePrice
from services.billing.domain.agreed_prices import AgreedPrice, AnyPrice, agreed_or_sold
from services.billing.domain.allowances import MeteredUse, free_quantities
from services.billing.domain.caps import Cap
from services.billing.domain.charges import Charge
from services.billing.domain.forecast import AS_IT_IS, GROWING, projected
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.money import exactly
from services.billing.domain.periods import Days
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change, served_days
from services.billing.domain.recurring import average_units
from services.billing.metering.reading import HOUR, Span, days, metered
from services.chassis.database import Connection

NO_MORE: Mapping[tuple[str, str], Decimal] = {}


@dataclass(frozen=True, slots=True)
class ServiceInTime:
    """A service of a tenant, the civil day it started, and its ordered quantities since."""

    service: BilledService
    started: date
    changes: Sequence[Change]
    agreed: Sequence[AgreedPrice] = ()
    """What its tenant pays instead of the plan's prices, in the order of arrival."""

    def price_of(self, price: AnyPrice, month: date) -> AnyPrice:
        """What a component costs in the month that begins on a day."""
        return agreed_or_sold(self.service.plan.sku, price, self.agreed, month)


@dataclass(frozen=True, slots=True)
class RatedUse:
    """The charges of one usage price of a service, for a month."""

    service: BilledService
    price: UsagePrice
    charges: Sequence[Charge]


async def rate_usage(
    db: Connection, tenant: BilledTenant, meters: Meters, services: Sequence[ServiceInTime], month: Days,
    until: datetime | None = None, pace: Fraction = AS_IT_IS, more: Mapping[tuple[str, str], Decimal] = NO_MORE,
) -> list[RatedUse]:  # fmt: skip
    """The charges of a month, by service in their order, then as the plan has its prices. Allowances may be pooled.

    `until`: a level counts up to the hour of that instant only; None: it lasts until the next sample or the month's end.
    `pace`: what is counted piece by piece comes to so many times as much by the month's end.
    `more`: usage that is not there yet, by service and meter.
    """
    span = days(month.start, month.end, tenant.zone)
    priced: list[ServiceInTime] = []
    uses: list[MeteredUse] = []
    for one in services:
        if one.started >= month.end:
            continue
        for sold in one.service.plan.usage:
            price = one.price_of(sold, month.start)
            used = await _used(db, one.service.id, price.meter, meters, span, until, pace)
            used += more.get((one.service.id, price.meter), Decimal(0))
            priced.append(one)
            included = _included(price, one.changes, month)
            uses.append(MeteredUse(one.service.plan.sku, price, used, included))
    return [
        RatedUse(
            one.service, use.price,
            usage_charges(
                one.service.plan, use.price, use.quantity, free, month, one.service.step,
                served=served_days(one.changes, month),
            ),
        )
        for one, use, free in zip(priced, uses, free_quantities(uses), strict=True)
    ]  # fmt: skip


def spent_of(cap: Cap, rated: Sequence[RatedUse]) -> Decimal:
    """What the meters of a cap come to, of a month's usage."""
    return sum(
        (charge.net for use in rated if use.service.id == cap.service_id and use.price.meter in cap.meters
         for charge in use.charges), Decimal(0),
    )  # fmt: skip


def by_service(charges: Sequence[tuple[str, Charge]]) -> Mapping[str, list[Charge]]:
    """Charges by the service they are for."""
    found: dict[str, list[Charge]] = {}
    for service_id, charge in charges:
        found.setdefault(service_id, []).append(charge)
    return found


async def _used(
    db: Connection, service_id: str, key: str, meters: Meters, span: Span, until: datetime | None, pace: Fraction
) -> Decimal:  # fmt: skip
    if key not in meters:  # the door refuses such a price today; nothing was ever counted of it
        return Decimal(0)
    aggregation = meters.in_force(key, span.start).meter.aggregation
    if aggregation in GROWING and pace != AS_IT_IS:
        return projected(await metered(db, service_id, key, meters, span), pace)
    if until is None or aggregation is not Aggregation.TIME_WEIGHTED:
        return await metered(db, service_id, key, meters, span)
    hours, whole = (until - span.start) // HOUR, (span.end - span.start) // HOUR
    if hours <= 0:
        return Decimal(0)
    past = Span(span.start, span.start + min(hours, whole) * HOUR)
    with exactly():
        return await metered(db, service_id, key, meters, past) * min(hours, whole) / whole


def _included(price: UsagePrice, changes: Sequence[Change], month: Days) -> Decimal:
    included = price.included or Decimal(0)
    if price.included_per is None:
        return included
    with exactly():
        return included * average_units(changes, price.included_per, month)
