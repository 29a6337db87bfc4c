"""Recurring charges: what a service's quantities over time make due, less what is billed already.

For each component and civil month, the quantity that should be billed for each day is compared with the quantity that
is. The difference is cut into rectangles (so many units, from a day to a day) and each becomes a charge. Nothing is
special about an increase, a decrease, a start in mid-month or a fact that comes late: they are all differences.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from schemas.catalogue import Plan, PriceModel, RecurringPrice, Timing
from services.billing.domain.charges import Charge, ChargeKind, prorated, shown
from services.billing.domain.periods import Days, months
from services.billing.domain.pricing import volume_price

LOOK_BACK_MONTHS = 12
"""Facts that come later than this do not change what is billed."""


@dataclass(frozen=True, slots=True)
class Change:
    """All quantities of a service from a civil day on."""

    day: date
    quantities: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Billed:
    """Units already billed for some days (negative: credited)."""

    days: Days
    units: Decimal


@dataclass(frozen=True, slots=True)
class Rectangle:
    """So many units (negative: to be credited) for some days."""

    units: Decimal
    days: Days


Level = Callable[[date], Decimal]


def wanted(timeline: Sequence[Change], meter: str) -> Level:
    """The quantity that should be billed on a day: that of the last change up to it; 0 before the first."""

    def level(day: date) -> Decimal:
        found = Decimal(0)
        for change in timeline:
            if change.day <= day:
                found = change.quantities.get(meter, Decimal(0))
        return found

    return level


def billed_level(billed: Iterable[Billed]) -> Level:
    """The quantity that is billed for a day."""
    rows = list(billed)

    def level(day: date) -> Decimal:
        return sum((row.units for row in rows if row.days.start <= day < row.days.end), Decimal(0))

    return level


def rectangles(level: Level, month: Days) -> list[Rectangle]:
    """Cut a step function over a month into rectangles: long ones below, shorter ones on top, credits apart."""
    positive = _stack(lambda day: max(level(day), Decimal(0)), month)
    negative = _stack(lambda day: max(-level(day), Decimal(0)), month)
    credits = [Rectangle(-piece.units, piece.days) for piece in negative]
    return sorted(positive + credits, key=lambda piece: (piece.days.start, -len(piece.days)))


def _stack(level: Level, month: Days) -> list[Rectangle]:
    open_layers: list[tuple[date, Decimal]] = []
    found: list[Rectangle] = []
    day, height = month.start, Decimal(0)
    while day <= month.end:
        now = level(day) if day < month.end else Decimal(0)
        if now > height:
            open_layers.append((day, now - height))
        while now < height:
            start, units = open_layers.pop()
            closed = min(units, height - now)
            found.append(Rectangle(closed, Days(start, day)))
            height -= closed
            if closed < units:
                open_layers.append((start, units - closed))
        height, day = now, day + timedelta(days=1)
    return found


def recurring_charges(
    plan: Plan, timeline: Sequence[Change], billed: Mapping[str, Sequence[Billed]], boundary: date
) -> list[Charge]:
    """The charges that a run at `boundary` makes for one service, in plan order.

    Prices in advance cover the month that `boundary` lies in, prices in arrears the months before it.
    """
    charges: list[Charge] = []
    if not timeline:
        return charges
    for price in plan.recurring:
        last = boundary if price.timing is Timing.ADVANCE else boundary - timedelta(days=1)
        if last < timeline[0].day and price.timing is Timing.ARREARS:
            continue
        spans = [month for month in months(timeline[0].day, last) if _due(price, month, boundary)][
            -LOOK_BACK_MONTHS:
        ]
        for month in sorted(spans, reverse=True):
            charges += _of_month(plan, price, timeline, billed.get(price.meter, ()), month)
    return charges


def _due(price: RecurringPrice, month: Days, boundary: date) -> bool:
    return month.start <= boundary if price.timing is Timing.ADVANCE else month.end <= boundary


def _of_month(
    plan: Plan,
    price: RecurringPrice,
    timeline: Sequence[Change],
    billed: Sequence[Billed],
    month: Days,
) -> list[Charge]:
    want, have = wanted(timeline, price.meter), billed_level(billed)
    if price.model is PriceModel.VOLUME:
        return _volume(plan, price, timeline, want, have, month)
    assert price.price is not None
    pieces = rectangles(lambda day: want(day) - have(day), month)
    return [_charge(plan, price, price.price, piece, month, timeline[0].day) for piece in pieces]


def _volume(
    plan: Plan,
    price: RecurringPrice,
    timeline: Sequence[Change],
    want: Level,
    have: Level,
    month: Days,
) -> list[Charge]:
    """More units can lower the price of all: credit the old ones at their old price, charge all at the new one."""
    charges = []
    for days in _constant(lambda day: (want(day), have(day)), month):
        new, old = want(days.start), have(days.start)
        if new == old:
            continue
        for units, sign in ((old, -1), (new, 1)):
            if units:
                piece = Rectangle(sign * units, days)
                charges.append(
                    _charge(
                        plan, price, volume_price(price.tiers, units), piece, month, timeline[0].day
                    )
                )
    return charges


def _constant(level: Callable[[date], object], month: Days) -> list[Days]:
    """The longest spans of a month over which a function of the day keeps its value."""
    spans, start, day = [], month.start, month.start
    while day < month.end:
        following = day + timedelta(days=1)
        if following == month.end or level(following) != level(start):
            spans.append(Days(start, following))
            start = following
        day = following
    return spans


def _charge(
    plan: Plan,
    price: RecurringPrice,
    unit_price: Decimal,
    piece: Rectangle,
    month: Days,
    activated: date,
) -> Charge:
    signed = unit_price if piece.units > 0 else -unit_price
    quantity = abs(piece.units)
    at, net = prorated(signed, quantity, len(piece.days), len(month))
    return Charge(
        ChargeKind.RECURRING, f"{plan.sku}/{price.code}", price.meter, _describe(price, piece, month, activated),
        shown(quantity), at, price.unit, net, piece.days, price.commissionable, piece.units,
    )  # fmt: skip


def _describe(price: RecurringPrice, piece: Rectangle, month: Days, activated: date) -> str:
    """What the SME reads. A whole month needs no words; anything else says who, from when, and how many days."""
    if piece.days == month:
        return price.label if piece.units > 0 else f"{price.label} - storno"
    share_of = f"({len(piece.days)}/{len(month)} gg)"
    until = "" if piece.days.end == month.end else f" al {piece.days.last:%d/%m}"
    if piece.units > 0 and piece.days.start == activated:
        return f"{price.label} dal {piece.days.start:%d/%m}{until} {share_of}"
    units = abs(piece.units)
    noun = price.singular if units == 1 else price.plural
    word = "pro rata" if piece.units > 0 else "storno"
    return f"{price.label} - {word} {shown(units)} {noun} dal {piece.days.start:%d/%m}{until} {share_of}"


def setup_charge(plan: Plan, activated: date) -> Charge | None:
    """The set-up fee of a service instance; None when the plan asks for none."""
    if plan.setup == 0:
        return None
    return Charge(
        ChargeKind.SETUP, f"{plan.sku}/setup", "setup", f"{plan.setup_label} - {plan.name}", Decimal(1), plan.setup, None,
        plan.setup, Days(activated, activated + timedelta(days=1)), commissionable=True,
    )  # fmt: skip


def average_units(timeline: Sequence[Change], meter: str, month: Days) -> Decimal:
    """The quantity of a component over the days of a month on which the service was active, on average."""
    active = (
        Days(max(month.start, timeline[0].day), month.end)
        if timeline[0].day < month.end
        else Days(month.end, month.end)
    )
    if len(active) == 0:
        return Decimal(0)
    level = wanted(timeline, meter)
    return sum(
        (level(active.start + timedelta(days=n)) for n in range(len(active))), Decimal(0)
    ) / len(active)
