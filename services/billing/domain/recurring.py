"""Recurring charges: what a service's quantities over time make due, less what is billed already.

For each component and civil month, the quantity that should be billed for each day is compared with the quantity that
is. The difference is cut into rectangles (so many units, from a day to a day) and each becomes a charge. Nothing is
special about an increase, a decrease, a start in mid-month or a fact that comes late: they are all differences.

The amount of a component and month is rounded once. What is due now is that amount less what was billed of it, and the
charges sum to it: in whatever order facts come, the parts sum to the whole.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from schemas.catalogue import Plan, Price, RecurringPrice, Timing
from services.billing.domain.charges import Charge, ChargeKind, prorated, shown
from services.billing.domain.money import CENT, exactly, half_up, share, spread
from services.billing.domain.periods import Days, month_of, months
from services.billing.domain.price_models import Layer, amount_of, layers_of, parts_of
from services.billing.domain.quantities import Change
from services.billing.domain.service_life import without


@dataclass(frozen=True, slots=True)
class Billed:
    """Units already billed for some days (negative: credited)."""

    days: Days
    units: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Rectangle:
    """So many units (negative: to be credited) for some days."""

    units: Decimal
    days: Days


Level = Callable[[date], Decimal]

PriceOfMonth = Callable[[RecurringPrice, date], RecurringPrice]
"""What a component costs in the month that begins on a day."""


def as_sold(price: RecurringPrice, _: date) -> RecurringPrice:
    """Nothing else is agreed."""
    return price


FreeDays = Callable[[RecurringPrice], Sequence[Days]]
"""The days on which a component costs nothing, whatever is ordered: in order, and apart from each other."""


def never(_: RecurringPrice) -> Sequence[Days]:
    """No day is free."""
    return ()


def wanted(timeline: Sequence[Change], meter: str) -> Level:
    """The quantity that should be billed on a day: that of the last change up to it; 0 before the first."""
    days = [change.day for change in timeline]

    def level(day: date) -> Decimal:
        n = bisect_right(days, day)
        return timeline[n - 1].quantities.get(meter, Decimal(0)) if n else Decimal(0)

    return level


def billed_level(billed: Iterable[Billed]) -> Level:
    """The quantity that is billed for a day."""
    rows = list(billed)

    def level(day: date) -> Decimal:
        return sum((row.units for row in rows if row.days.start <= day < row.days.end), Decimal(0))

    return level


def rectangles(level: Level, steps: Sequence[Days]) -> list[Rectangle]:
    """Cut a function over a month into rectangles: long ones below, shorter ones on top, credits apart.

    `steps` follow one another; within each, the function keeps its value.
    """
    positive = _stack(lambda day: max(level(day), Decimal(0)), steps)
    negative = _stack(lambda day: max(-level(day), Decimal(0)), steps)
    credits = [Rectangle(-piece.units, piece.days) for piece in negative]
    return sorted(positive + credits, key=lambda piece: (piece.days.start, -len(piece.days)))


def _stack(level: Level, steps: Sequence[Days]) -> list[Rectangle]:
    open_layers: list[tuple[date, Decimal]] = []
    found: list[Rectangle] = []
    height = Decimal(0)
    for day, now in (
        *((step.start, level(step.start)) for step in steps),
        (steps[-1].end, Decimal(0)),
    ):
        if now > height:
            open_layers.append((day, now - height))
        while now < height:
            start, units = open_layers.pop()
            closed = min(units, height - now)
            found.append(Rectangle(closed, Days(start, day)))
            height -= closed
            if closed < units:
                open_layers.append((start, units - closed))
        height = now
    return found


def steps_of(timeline: Iterable[Change], billed: Iterable[Billed], month: Days) -> list[Days]:
    """A month cut where a quantity may change: what should be billed, or what is."""
    cuts = {change.day for change in timeline}
    cuts.update(day for row in billed for day in (row.days.start, row.days.end))
    within = [month.start, *sorted(day for day in cuts if month.start < day < month.end), month.end]
    return [Days(start, end) for start, end in pairwise(within)]


def recurring_charges(
    plan: Plan, timeline: Sequence[Change], billed: Mapping[str, Sequence[Billed]], boundary: date, step: Decimal = CENT,
    price_of: PriceOfMonth = as_sold, free_of: FreeDays = never,
) -> list[Charge]:  # fmt: skip
    """The charges that a run at `boundary` makes for one service, in plan order.

    `timeline` is ordered by day; `billed` is by component (`SKU/code`). Prices in advance cover the month that `boundary`
    lies in, prices in arrears the months before it. However old a month is, a fact about it is billed.
    """
    charges: list[Charge] = []
    if not timeline:
        return charges
    for price in plan.recurring:
        last = boundary if price.timing is Timing.ADVANCE else boundary - timedelta(days=1)
        if last < timeline[0].day and price.timing is Timing.ARREARS:
            continue
        rows = _by_month(billed.get(component(plan, price), ()))
        charged = without(timeline, free_of(price))
        want = wanted(charged, price.meter)
        for month in reversed(months(timeline[0].day, last)):
            if _due(price, month, boundary):
                own = price_of(price, month.start)
                charges += _of_month(
                    plan, own, charged, want, rows.get(month.start, []), month, step
                )
    return charges


def unbilled_fees(
    plan: Plan, timeline: Sequence[Change], billed: Mapping[str, Sequence[Billed]], boundary: date, step: Decimal = CENT,
    price_of: PriceOfMonth = as_sold, free_of: FreeDays = never,
) -> list[tuple[str, Days, Decimal, Decimal]]:  # fmt: skip
    """For an audit: components and months that were not billed as they come to; what they come to, and what was billed."""
    found = []
    for price in plan.recurring:
        rows = _by_month(billed.get(component(plan, price), ()))
        charged = without(timeline, free_of(price))
        want = wanted(charged, price.meter)
        for month in months(timeline[0].day, boundary) if timeline else ():
            if _due(price, month, boundary):
                comes_to = _amount(price_of(price, month.start), want, charged, month, step)
                was_billed = sum((row.net for row in rows.get(month.start, ())), Decimal(0))
                if comes_to != was_billed:
                    found.append((component(plan, price), month, comes_to, was_billed))
    return found


def fees_of_month(
    plan: Plan,
    timeline: Sequence[Change],
    month: Days,
    step: Decimal = CENT,
    price_of: PriceOfMonth = as_sold,
    free_of: FreeDays = never,
) -> Decimal:
    """What a service's fees of a month come to, whenever they are billed."""
    charged = [(price, without(timeline, free_of(price))) for price in plan.recurring]
    return sum(
        (_amount(price_of(price, month.start), wanted(own, price.meter), own, month, step) for price, own in charged),
        Decimal(0),
    )  # fmt: skip


def component(plan: Plan, price: Price) -> str:
    """What a price is called on documents and in the ledger."""
    return f"{plan.sku}/{price.code}"


def _by_month(billed: Iterable[Billed]) -> dict[date, list[Billed]]:
    found: dict[date, list[Billed]] = {}
    for row in billed:
        found.setdefault(month_of(row.days.start).start, []).append(row)
    return found


def _due(price: RecurringPrice, month: Days, boundary: date) -> bool:
    return month.start <= boundary if price.timing is Timing.ADVANCE else month.end <= boundary


def _of_month(
    plan: Plan,
    price: RecurringPrice,
    timeline: Sequence[Change],
    want: Level,
    billed: Sequence[Billed],
    month: Days,
    step: Decimal,
) -> list[Charge]:
    if _is_billed_whole(timeline, want, billed, month):
        return []
    have = billed_level(billed)
    layers, steps = layers_of(price), steps_of(timeline, billed, month)
    pieces = (
        _repriced(price, want, have, steps)
        if layers is None
        else [piece for layer in layers for piece in _layered(price, layer, want, have, steps)]
    )
    priced = [
        prorated(piece.each, abs(piece.units), len(piece.days), len(month)) for piece in pieces
    ]
    due = _amount(price, want, timeline, month, step) - sum((row.net for row in billed), Decimal(0))
    nets = spread([amount for _, amount in priced], due, step)
    return [
        _charge(plan, price, piece, at, net, month, timeline[0].day)
        for piece, (at, _), net in zip(pieces, priced, nets, strict=True)
    ]


def _is_billed_whole(
    timeline: Sequence[Change], want: Level, billed: Sequence[Billed], month: Days
) -> bool:
    """Whether nothing changed within a month and it was billed as one: nearly all months of an old service."""
    if any(month.start < change.day < month.end for change in timeline):
        return False
    units = want(month.start)
    if not units:
        return not billed
    return all(row.days == month for row in billed) and units == sum(
        (row.units for row in billed), Decimal(0)
    )


def _amount(
    price: RecurringPrice, want: Level, timeline: Iterable[Change], month: Days, step: Decimal
) -> Decimal:
    """What a component costs in a month, rounded once."""
    with exactly():
        daily = sum(
            (len(days) * amount_of(price, units) for days in steps_of(timeline, (), month) if (units := want(days.start))),
            Decimal(0),
        )  # fmt: skip
        return half_up(share(daily, 1, len(month)), step)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Units (negative: to be credited) for some days, at a price (negative for a credit), and what the SME reads of them."""

    units: Decimal
    days: Days
    each: Decimal
    label: str


def _layered(
    price: RecurringPrice, layer: Layer, want: Level, have: Level, steps: Sequence[Days]
) -> list[_Piece]:
    """What lies in a layer and is not billed, or is billed and does not lie in it any more."""
    label = layer.label(price.label) if price.tiers else price.label
    return [
        _Piece(piece.units, piece.days, layer.each if piece.units > 0 else -layer.each, label)
        for piece in rectangles(lambda day: layer.units(want(day)) - layer.units(have(day)), steps)
    ]


def _repriced(
    price: RecurringPrice, want: Level, have: Level, steps: Sequence[Days]
) -> list[_Piece]:
    """More units can lower the price of all: credit the old ones at their old price, charge all at the new one."""
    pieces = []
    for days in _constant(lambda day: (want(day), have(day)), steps):
        new, old = want(days.start), have(days.start)
        if new != old:
            pieces += [
                _Piece(sign * part.units, days, sign * part.each, price.label)
                for units, sign in ((old, -1), (new, 1))
                for part in parts_of(price, units)
            ]
    return pieces


def _constant(level: Callable[[date], object], steps: Sequence[Days]) -> list[Days]:
    """The longest spans of a month over which a function of the day keeps its value."""
    spans = [steps[0]]
    for step in steps[1:]:
        if level(step.start) == level(spans[-1].start):
            spans[-1] = Days(spans[-1].start, step.end)
        else:
            spans.append(step)
    return spans


def _charge(
    plan: Plan, price: RecurringPrice, piece: _Piece, at: Decimal, net: Decimal, month: Days, activated: date
) -> Charge:  # fmt: skip
    return Charge(
        ChargeKind.RECURRING, component(plan, price), price.meter, _describe(price, piece, month, activated),
        shown(abs(piece.units)), at, price.unit, net, piece.days, price.commissionable, piece.units,
    )  # fmt: skip


def _describe(price: RecurringPrice, piece: _Piece, month: Days, activated: date) -> str:
    """What the SME reads. A whole month needs no words; anything else says who, from when, and how many days."""
    if piece.days == month:
        return piece.label if piece.units > 0 else f"{piece.label} - storno"
    share_of = f"({len(piece.days)}/{len(month)} gg)"
    until = "" if piece.days.end == month.end else f" al {piece.days.last:%d/%m}"
    if piece.units > 0 and piece.days.start == activated:
        return f"{piece.label} dal {piece.days.start:%d/%m}{until} {share_of}"
    units = abs(piece.units)
    noun = price.singular if units == 1 else price.plural
    word = "pro rata" if piece.units > 0 else "storno"
    return f"{piece.label} - {word} {shown(units)} {noun} dal {piece.days.start:%d/%m}{until} {share_of}"


def setup_charge(plan: Plan, activated: date, step: Decimal = CENT) -> Charge | None:
    """The set-up fee of a service instance; None when the plan asks for none."""
    if plan.setup == 0:
        return None
    fee = half_up(plan.setup, step)
    return Charge(
        ChargeKind.SETUP, f"{plan.sku}/setup", "setup", f"{plan.setup_label} - {plan.name}", Decimal(1), fee, None,
        fee, Days(activated, activated + timedelta(days=1)), commissionable=True,
    )  # fmt: skip


def average_units(timeline: Sequence[Change], meter: str, active: Days) -> Decimal:
    """The quantity of a component over the days of a month on which the service was there, on average."""
    if len(active) == 0:
        return Decimal(0)
    level = wanted(timeline, meter)
    with exactly():
        return sum(map(level, active), Decimal(0)) / len(active)
