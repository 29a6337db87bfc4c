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
from services.billing.metering.quantities import MeterQuestion, quantities
from services.billing.metering.reading import HOUR, Span, days
from services.billing.metering.store import Series, series_in
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
    priced = [
        (one, one.price_of(sold, month.start))
        for one in services if one.started < month.end
        for sold in one.service.plan.usage
    ]  # fmt: skip
    used = await _used(
        db,
        tenant,
        meters,
        [(one.service.id, price.meter) for one, price in priced],
        span,
        until,
        pace,
    )
    uses = [
        MeteredUse(
            one.service.plan.sku, price,
            quantity + more.get((one.service.id, price.meter), Decimal(0)), _included(price, one.changes, month),
        )
        for (one, price), quantity in zip(priced, used, strict=True)
    ]  # fmt: skip
    return [
        RatedUse(
            one.service, use.price,
            usage_charges(
                one.service.plan, use.price, use.quantity, free, month, one.service.step,
                served=served_days(one.changes, month),
            ),
        )
        for (one, _), use, free in zip(priced, uses, free_quantities(uses), strict=True)
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
    db: Connection, tenant: BilledTenant, meters: Meters, asked: Sequence[tuple[str, str]], span: Span,
    until: datetime | None, pace: Fraction,
) -> list[Decimal]:  # fmt: skip
    """What was used of meters of services."""
    series: dict[tuple[str, str], list[Series]] = {}
    for row in await series_in(db, tenant.id, None) if asked else ():
        series.setdefault((row.service_id, row.meter), []).append(row)
    spans = [_until(span, key, meters, until) for _, key in asked]
    found = await quantities(
        db, meters, [MeterQuestion(one[1], series.get(one, ()), own) for one, own in zip(asked, spans, strict=True)]
    )  # fmt: skip
    return [
        _of_month(quantity, span, own, key, meters, pace)
        for (_, key), own, quantity in zip(asked, spans, found, strict=True)
    ]


def _until(span: Span, key: str, meters: Meters, until: datetime | None) -> Span:
    """The part of a month whose levels count up to an instant: whole hours. What is counted piece by piece counts whole."""
    if until is None or key not in meters or not _is_level(key, meters, span):
        return span
    hours = max(0, min((until - span.start) // HOUR, (span.end - span.start) // HOUR))
    return Span(span.start, span.start + hours * HOUR)


def _is_level(key: str, meters: Meters, span: Span) -> bool:
    return meters.in_force(key, span.start).meter.aggregation is Aggregation.TIME_WEIGHTED


def _of_month(
    found: Decimal, span: Span, part: Span, key: str, meters: Meters, pace: Fraction
) -> Decimal:
    """A quantity of a part of a month as one of the month: an average by the part's share, a count by the pace."""
    if key not in meters:
        return found
    if pace != AS_IT_IS and meters.in_force(key, span.start).meter.aggregation in GROWING:
        return projected(found, pace)
    if part == span:
        return found
    with exactly():
        return found * ((part.end - part.start) // HOUR) / ((span.end - span.start) // HOUR)


def _included(price: UsagePrice, changes: Sequence[Change], month: Days) -> Decimal:
    included = price.included or Decimal(0)
    if price.included_per is None:
        return included
    with exactly():
        return included * average_units(changes, price.included_per, month)
