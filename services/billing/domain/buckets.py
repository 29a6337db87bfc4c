"""Buckets: a civil hour of a series, to which events are added in any order and any number of portions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from functools import reduce
from hashlib import blake2b
from struct import Struct
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.catalogue import Aggregation
from services.billing.domain.money import PRECISION_DIGITS

ZERO = Decimal(0)
_EXACTLY = Context(prec=PRECISION_DIGITS)


def civil_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the civil hour of `at` began. An hour that a change of clocks repeats is two hours."""
    local = at.astimezone(zone)
    return at - timedelta(
        minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )


def value_id(text: str) -> UUID:
    """What a distinct value is known by."""
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


class Moment(Protocol):
    """When an event happened, and what breaks ties of the same instant."""

    @property
    def at(self) -> datetime:
        """The instant."""
        ...

    @property
    def key(self) -> bytes:
        """What the event is known by."""
        ...

    @property
    def offset(self) -> int:
        """Where in its log it stood."""
        ...


_ORDER = Struct(">3sIQ").pack
_AFTER_KEYS = b"\xff\xff\xff"
"""Events counted by earlier builds are ordered by their keys, hashes: what is ordered by arrival came after them."""


def arrival_order(moment: Moment, log: int | None) -> bytes:
    """What decides between events of the same instant: log and offset, so that what came last holds.

    `log` numbers the logs by age; None: the event was kept by a build that did not note where it stood.
    """
    return moment.key if log is None else _ORDER(_AFTER_KEYS, log, moment.offset)


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

    def add(
        self,
        aggregation: Aggregation,
        texts: Sequence[str],
        moments: Sequence[Moment],
        log: int | None = None,
    ) -> None:
        """Take events of one log in, at least one: what was measured of each, and when."""
        self.n += len(moments)
        match aggregation:
            case Aggregation.COUNT:
                return
            case Aggregation.SUM:
                self.total = add_up(map(Decimal, texts), self.total or ZERO)
            case Aggregation.UNIQUE_COUNT:
                self.values.update(map(value_id, texts))
            case Aggregation.TIME_WEIGHTED:
                self.levels.update(_timed(texts, moments, log))
            case Aggregation.MAX:
                self.high = max(_with(self.high, texts))
            case Aggregation.MIN:
                self.low = min(_with(self.low, texts))
            case Aggregation.LATEST:
                newest = max(_timed(texts, moments, log))
                self.last = newest if self.last is None else max(self.last, newest)


def _timed(
    texts: Iterable[str], moments: Iterable[Moment], log: int | None
) -> list[tuple[datetime, bytes, Decimal]]:
    return [
        (moment.at, arrival_order(moment, log), Decimal(text))
        for text, moment in zip(texts, moments, strict=True)
    ]


def _with(known: Decimal | None, texts: Iterable[str]) -> list[Decimal]:
    found = [Decimal(text) for text in texts]
    return found if known is None else [known, *found]


def add_up(numbers: Iterable[Decimal], start: Decimal = ZERO) -> Decimal:
    """The exact sum."""
    return reduce(_EXACTLY.add, numbers, start)
