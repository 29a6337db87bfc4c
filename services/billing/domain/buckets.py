"""Buckets: a civil hour of a series, to which events are added in any order and any number of portions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from hashlib import blake2b
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.catalogue import Aggregation
from services.billing.domain.money import PRECISION_DIGITS

ZERO = Decimal(0)


def civil_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the civil hour of `at` began. An hour that a change of clocks repeats is two hours."""
    local = at.astimezone(zone)
    return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def value_id(text: str) -> UUID:
    """What a distinct value is known by."""
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


Point: TypeAlias = tuple[datetime, bytes, str]
"""One event as a meter sees it: when, what breaks ties of the same instant, and the measured text."""


@dataclass(slots=True)
class Bucket:
    """What is kept of an hour: only what the aggregation needs. Equal events in any order give an equal bucket."""

    n: int = 0
    total: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    last: tuple[datetime, bytes, Decimal] | None = None
    values: set[UUID] = field(default_factory=set)
    levels: set[tuple[datetime, bytes, Decimal]] = field(default_factory=set)

    def add(self, aggregation: Aggregation, points: Sequence[Point]) -> None:
        """Take events in, at least one."""
        self.n += len(points)
        match aggregation:
            case Aggregation.COUNT:
                return
            case Aggregation.UNIQUE_COUNT:
                self.values.update(value_id(text) for _, _, text in points)
            case Aggregation.TIME_WEIGHTED:
                self.levels.update((at, order, Decimal(text)) for at, order, text in points)
            case Aggregation.SUM:
                self.total = add_up([self.total or ZERO, *(Decimal(text) for _, _, text in points)])
            case Aggregation.MAX:
                self.high = max(_with(self.high, points))
            case Aggregation.MIN:
                self.low = min(_with(self.low, points))
            case Aggregation.LATEST:
                newest = max((at, order, Decimal(text)) for at, order, text in points)
                self.last = newest if self.last is None else max(self.last, newest)


def _with(known: Decimal | None, points: Iterable[Point]) -> list[Decimal]:
    found = [Decimal(text) for _, _, text in points]
    return found if known is None else [known, *found]


def add_up(numbers: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return sum(numbers, ZERO)
