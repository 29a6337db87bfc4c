"""Rate a month's usage of a tenant: what all of it comes to, whatever was billed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from schemas.catalogue import Aggregation, UsagePrice
from services.billing.domain.allowances import MeteredUse, free_quantities
from services.billing.domain.caps import Cap
from services.billing.domain.charges import Charge
from services.billing.domain.forecast import AS_IT_IS, GROWING, projected
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.money import exactly
from services.billing.domain.periods import Days
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import served_days
from services.billing.domain.recurring import average_units
from services.billing.metering.quantities import MeterQuestion, quantities
from services.billing.metering.reading import HOUR, Span, days
from services.billing.metering.store import Series, series_of_tenants
from services.billing.usecases.services_in_time import ServiceInTime
from services.chassis.database import Connection

NO_MORE: Mapping[tuple[str, str], Decimal] = {}


@dataclass(frozen=True, slots=True)
class RatedUse:
    """The charges of one usage price of a service, for a month."""

    service: BilledService
    price: UsagePrice
    charges: Sequence[Charge]


@dataclass(frozen=True, slots=True)
class MonthAsked:
    """A month of a tenant's services. Levels count up to the hour of `until`; None: they last until the month's end."""

    tenant: BilledTenant
    services: Sequence[ServiceInTime]
    month: Days
    until: datetime | None = None

    @property
    def span(self) -> Span:
        """Its instants."""
        return days(self.month.start, self.month.end, self.tenant.zone)

    def priced(self) -> list[tuple[ServiceInTime, UsagePrice]]:
        """Services that were there, each with the usage prices of the month as its plan has them."""
        return [
            (one, one.price_of(sold, self.month.start))
            for one in self.services if one.started < self.month.end and not one.is_over(self.month.start)
            for sold in one.service.plan.usage
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class MonthUsed:
    """What was used in a month: a quantity and its window for each price, in their order."""

    asked: MonthAsked
    quantities: Sequence[tuple[Decimal, Span]]


async def read_usage(
    db: Connection, meters: Meters, asked: Sequence[MonthAsked]
) -> list[MonthUsed]:
    """What was used in months, of many tenants at once."""
    prices = [one.priced() for one in asked]
    wanted = {one.tenant.id for one, priced in zip(asked, prices, strict=True) if priced}
    series: dict[tuple[str, str], list[Series]] = {}
    for row in await series_of_tenants(db, sorted(wanted)):
        series.setdefault((row.service_id, row.meter), []).append(row)
    questions = [
        [
            MeterQuestion(
                price.meter, series.get((service.service.id, price.meter), ()),
                _until(_lived(service, one.span), price.meter, meters, one.until),
            )
            for service, price in priced
        ]
        for one, priced in zip(asked, prices, strict=True)
    ]  # fmt: skip
    answers = iter(
        await quantities(db, meters, [question for own in questions for question in own])
    )
    return [
        MonthUsed(one, [(next(answers), question.span) for question in own])
        for one, own in zip(asked, questions, strict=True)
    ]


async def rate_usage(
    db: Connection, tenant: BilledTenant, meters: Meters, services: Sequence[ServiceInTime], month: Days,
    until: datetime | None = None, pace: Fraction = AS_IT_IS, more: Mapping[tuple[str, str], Decimal] = NO_MORE,
) -> list[RatedUse]:  # fmt: skip
    """Read a month's usage of a tenant, and rate it."""
    [used] = await read_usage(db, meters, [MonthAsked(tenant, services, month, until)])
    return rate(used, meters, pace, more)


def rate(
    used: MonthUsed, meters: Meters, pace: Fraction = AS_IT_IS, more: Mapping[tuple[str, str], Decimal] = NO_MORE
) -> list[RatedUse]:  # fmt: skip
    """The charges of a month, by service in their order, then as the plan has its prices. Allowances may be pooled.

    `pace`: what is counted piece by piece comes to so many times as much by the month's end.
    `more`: usage that is not there yet, by service and meter.
    """
    month, whole, priced = used.asked.month, used.asked.span, used.asked.priced()
    uses = []
    for (one, price), (quantity, part) in zip(priced, used.quantities, strict=True):
        own_pace = (
            pace if one.life.ended_at is None else AS_IT_IS
        )  # what has ended does not go on like this
        whole_month = _of_month(quantity, whole, part, price.meter, meters, own_pace)
        beside = more.get((one.service.id, price.meter), Decimal(0))
        included = _included(price, one, month)
        uses.append(MeteredUse(one.service.plan.sku, price, whole_month + beside, included))
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


def _lived(one: ServiceInTime, span: Span) -> Span:
    """The part of a month up to a service's end: the hour in which it ends counts whole."""
    ended_at = one.life.ended_at
    if ended_at is None or ended_at >= span.end:
        return span
    return Span(span.start, span.start - (span.start - ended_at) // HOUR * HOUR)


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
    if part == span or not _is_level(key, meters, span):
        return found
    with exactly():
        return found * ((part.end - part.start) // HOUR) / ((span.end - span.start) // HOUR)


def _included(price: UsagePrice, one: ServiceInTime, month: Days) -> Decimal:
    included = price.included or Decimal(0)
    if price.included_per is None:
        return included
    with exactly():
        active = one.life.active_in(month, one.started)
        return included * average_units(one.changes, price.included_per, active)
