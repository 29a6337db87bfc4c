"""What usage comes to, the plain way: every event is looked at, and nothing is kept between. Slow, and easy to believe.

Averages are fractions of microseconds, added interval by interval, and nothing here is shared with what is tested.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

from schemas.catalogue import Aggregation, Meter
from services.billing.domain.aggregation import Sample
from services.billing.metering.arrivals import Arrival

History: TypeAlias = Sequence[tuple[Meter, datetime]]
"""Definitions of a meter in the order they were published, each with the instant from which on it counts."""

MICROSECOND = timedelta(microseconds=1)
WIDE = Context(prec=120)


def in_force(history: History, at: datetime) -> int:
    """The last that counts by then; the first, before any does."""
    return max((n for n, (_, since) in enumerate(history) if since <= at), default=0)


def read_by(meter: Meter, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """The events that a meter counts, in order of time; of the same instant, in the order they came."""
    found = [
        arrival for arrival in arrivals
        if arrival.said.meter == (meter.event or meter.key)
        and all(arrival.said.dimensions.get(name) in accepted for name, accepted in meter.filter.items())
    ]  # fmt: skip
    return sorted(found, key=lambda arrival: (arrival.at, arrival.offset))


def quantity_of(
    meter: Meter, arrivals: Iterable[Arrival], start: datetime, end: datetime
) -> Decimal:
    """What a meter that was never defined otherwise says of `[start, end)`. Levels of different groups add up."""
    return quantity_over([(meter, datetime.min.replace(tzinfo=start.tzinfo))], arrivals, start, end)


def quantity_over(
    history: History, arrivals: Iterable[Arrival], start: datetime, end: datetime
) -> Decimal:
    """What a meter says of `[start, end)`, each instant by the definition in force then."""
    everything = list(arrivals)
    owned = [
        (n, arrival)
        for n, (meter, _) in enumerate(history)
        for arrival in read_by(meter, everything)
        if in_force(history, arrival.at) == n
    ]
    owned.sort(key=lambda item: (item[1].at, item[1].offset))
    exact, averages, digits = Decimal(0), Fraction(0), 0
    for first, last, kind in _runs(history, start, end):
        mine = [(n, arrival) for n, arrival in owned if first <= arrival.at < last]
        if kind is Aggregation.TIME_WEIGHTED:
            averages += _area(history, owned, first, last) / ((last - first) // MICROSECOND)
            digits = history[in_force(history, last - MICROSECOND)][0].decimals
        else:
            exact = WIDE.add(
                exact, _folded(kind, [_measured(history[n][0], arrival) for n, arrival in mine])
            )
    return _tidy(WIDE.add(exact, _half_up(averages, digits)))


def _runs(
    history: History, start: datetime, end: datetime
) -> list[tuple[datetime, datetime, Aggregation]]:
    """The window, cut where the aggregation changes."""
    found: list[tuple[datetime, datetime, Aggregation]] = []
    for first, last in _pieces(history, start, end):
        kind = history[in_force(history, first)][0].aggregation
        if found and found[-1][2] is kind:
            found[-1] = (found[-1][0], last, kind)
        else:
            found.append((first, last, kind))
    return found


def _pieces(
    history: History, start: datetime, end: datetime, also: Iterable[datetime] = ()
) -> list[tuple[datetime, datetime]]:
    """The window, cut at every instant at which anything may change."""
    inner = {at for at in (*(since for _, since in history), *also) if start < at < end}
    edges = sorted({start, end} | inner)
    return list(pairwise(edges))


def _area(
    history: History, owned: Sequence[tuple[int, Arrival]], start: datetime, end: datetime
) -> Fraction:
    """Levels times microseconds: of each little interval, what was said last of each group, if it still holds."""
    area = Fraction(0)
    for first, last in _pieces(history, start, end, (arrival.at for _, arrival in owned)):
        said: dict[tuple[str, ...], tuple[Arrival, str]] = {}
        for n, arrival in owned:
            if arrival.at <= first and _holds(history, arrival.at, first):
                names = sorted(set(history[n][0].group_by))
                group = tuple(arrival.said.dimensions.get(name, "") for name in names)
                said[group] = (arrival, _measured(history[n][0], arrival))
        length = (last - first) // MICROSECOND
        area += sum((Fraction(level) * length for _, level in said.values()), Fraction(0))
    return area


def _holds(history: History, said_at: datetime, at: datetime) -> bool:
    """Whether no definition between took the level's dimensions, or its being a level, away."""
    instants = [said_at, at, *(since for _, since in history if said_at < since < at)]
    seen = [history[in_force(history, instant)][0] for instant in instants]
    return len({(found.aggregation, frozenset(found.group_by)) for found in seen}) == 1


def _measured(meter: Meter, arrival: Arrival) -> str:
    wanted = meter.value_property or (
        "value" if meter.aggregation is Aggregation.UNIQUE_COUNT else "quantity"
    )
    return {
        "quantity": arrival.said.quantity,
        "value": arrival.said.value,
        **arrival.said.dimensions,
    }[wanted] or ""


def _folded(kind: Aggregation, texts: Sequence[str]) -> Decimal:
    """`texts` in order."""
    if kind is Aggregation.COUNT:
        return Decimal(len(texts))
    if kind is Aggregation.UNIQUE_COUNT:
        return Decimal(len(set(texts)))
    numbers = [Decimal(text) for text in texts]
    if not numbers:
        return Decimal(0)
    if kind is Aggregation.SUM:
        found = Decimal(0)
        for number in numbers:
            found = WIDE.add(found, number)
        return found
    return {
        Aggregation.MAX: max(numbers),
        Aggregation.MIN: min(numbers),
        Aggregation.LATEST: numbers[-1],
    }[kind]


def aggregate(
    kind: Aggregation, samples: Sequence[Sample], *, start: datetime, end: datetime,
    before: Decimal = Decimal(0), decimals: int = 0,
) -> Decimal:  # fmt: skip
    """The quantity of `[start, end)`. Samples may come in any order; all lie in the window."""
    ordered = sorted(samples, key=lambda sample: (sample.at, sample.order))
    if kind is Aggregation.UNIQUE_COUNT:
        return Decimal(len({sample.value for sample in ordered}))
    if kind is not Aggregation.TIME_WEIGHTED:
        texts = [str(sample.quantity) for sample in ordered if sample.quantity is not None]
        return (
            _tidy(_folded(kind, texts)) if kind is not Aggregation.COUNT else Decimal(len(ordered))
        )
    steps = [
        (start, before),
        *((sample.at, sample.quantity or Decimal(0)) for sample in ordered),
        (end, Decimal(0)),
    ]
    area = sum(
        (
            Fraction(level) * ((after - at) // MICROSECOND)
            for (at, level), (after, _) in pairwise(steps)
        ),
        Fraction(0),
    )
    return _tidy(_half_up(area / ((end - start) // MICROSECOND), decimals))


def _half_up(exact: Fraction, digits: int) -> Decimal:
    quotient = WIDE.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return quotient.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, WIDE)


def _tidy(number: Decimal) -> Decimal:
    plain = format(number, "f")
    return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)
