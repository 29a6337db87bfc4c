"""What meters say of windows, of many at once: a few statements read all that is asked, each window by its number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import asyncpg

from schemas.catalogue import Aggregation
from services.billing.domain.aggregation import average, level_time, rounded
from services.billing.domain.buckets import add_up
from services.billing.domain.meters import Meters, Stretch, aggregate_alike, carry_over
from services.billing.domain.money import tidy
from services.billing.metering.reading import Span
from services.billing.metering.store import Series, sql
from services.chassis.database import Connection
from services.chassis.store import collect

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class MeterQuestion:
    """The quantity of some series of one meter over a window."""

    key: str
    series: Sequence[Series]
    span: Span


async def quantities(
    db: Connection, meters: Meters, asked: Sequence[MeterQuestion]
) -> list[Decimal]:
    """The answers, in the order of the questions.

    Each instant counts by the definition in force then. Versions that follow one another and aggregate alike are one meter.
    Where a version changed the aggregation, each part counts for its time. Averages are added exactly and rounded once, to
    the digits of the last definition in the window.
    """
    wanted = _Wanted()
    parts = [_parts(meters, question, wanted) for question in asked]
    found = await _read(db, wanted)
    return [_answer(part, found, wanted) for part in parts]


@dataclass(slots=True)
class _Windows:
    """Windows of series that one statement reads. Several series of one window are one meter."""

    spans: list[Span] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)

    def add(self, series: Iterable[int], span: Span) -> int:
        """The number of a window."""
        for no in series:
            self.numbers.append(len(self.spans))
            self.series.append(no)
        self.spans.append(span)
        return len(self.spans) - 1

    @property
    def columns(self) -> dict[str, list[int] | list[datetime]]:
        """A row for each series of each window."""
        spans = [self.spans[n] for n in self.numbers]
        return {
            "numbers": self.numbers, "series": self.series, "starts": [span.start for span in spans],
            "ends": [span.end for span in spans],
        }  # fmt: skip


@dataclass(slots=True)
class _Wanted:
    """All windows, by how they are read."""

    folded: _Windows = field(default_factory=_Windows)
    newest: _Windows = field(default_factory=_Windows)
    distinct: _Windows = field(default_factory=_Windows)
    levels: _Windows = field(default_factory=_Windows)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read, by the window's number; a window with nothing in it is missing."""

    folded: Mapping[int, asyncpg.Record]
    newest: Mapping[int, Decimal]
    distinct: Mapping[int, int]
    levels: Mapping[int, tuple[Sequence[datetime], Sequence[Decimal]]]
    """Instants in order, and the level from each on."""
    before: Mapping[int, Decimal]


@dataclass(slots=True)
class _Parts:
    """What makes an answer: numbers of windows, by aggregation; for averages, those whose levels add up over a span."""

    counted: list[tuple[Aggregation, int]] = field(default_factory=list)
    averaged: list[tuple[Span, list[int]]] = field(default_factory=list)
    decimals: int = 0


def _parts(meters: Meters, question: MeterQuestion, wanted: _Wanted) -> _Parts:
    found = _Parts()
    if question.key not in meters:
        return found  # the door refuses such a price today; nothing was ever counted of it
    for stretch in meters.stretches(question.key, aggregate_alike):
        part = stretch.within(question.span.start, question.span.end)
        if part is None:
            continue
        aggregation = stretch.versions[0].meter.aggregation
        if aggregation is Aggregation.TIME_WEIGHTED:
            eras = meters.stretches(question.key, carry_over)
            found.averaged.append(
                (Span(*part), _levels(eras, question.series, Span(*part), wanted.levels))
            )
            found.decimals = meters.in_force(question.key, part[1] - MICROSECOND).meter.decimals
        elif own := _of(question.series, stretch):
            # Buckets are not cut at the bounds of versions: each is of one version, which may begin within an hour.
            windows = {Aggregation.UNIQUE_COUNT: wanted.distinct, Aggregation.LATEST: wanted.newest}
            number = windows.get(aggregation, wanted.folded).add(
                [row.no for row in own], question.span
            )
            found.counted.append((aggregation, number))
    return found  # fmt: skip


def _of(series: Sequence[Series], stretch: Stretch) -> list[Series]:
    """The series of a stretch's versions."""
    numbers = {version.version for version in stretch.versions}
    return [row for row in series if row.version in numbers]


def _levels(
    eras: Sequence[Stretch], series: Sequence[Series], span: Span, windows: _Windows
) -> list[int]:
    """A window for each group of each era. A level ends with its era: with other dimensions, the groups are others."""
    found = []
    for era in eras:
        part = era.within(span.start, span.end)
        if part is None:
            continue
        groups: dict[str, list[int]] = {}
        for row in _of(series, era):
            groups.setdefault(str(sorted(row.dimensions.items())), []).append(row.no)
        found += [windows.add(numbers, Span(*part)) for numbers in groups.values()]
    return found


async def _read(db: Connection, wanted: _Wanted) -> _Found:
    folded = await _rows(db, sql.fold_windows, wanted.folded)
    newest = await _rows(db, sql.newest_of_windows, wanted.newest)
    distinct = await _rows(db, sql.distinct_of_windows, wanted.distinct)
    before = await _rows(db, sql.levels_before_windows, wanted.levels)
    levels = await _rows(db, sql.levels_of_windows, wanted.levels)
    return _Found(
        {row["number"]: row for row in folded}, {row["number"]: row["last"] for row in newest},
        {row["number"]: row["values"] for row in distinct}, {row["number"]: (row["ats"], row["levels"]) for row in levels},
        {row["number"]: row["level"] for row in before},
    )  # fmt: skip


async def _rows(db: Connection, query: Any, windows: _Windows) -> list[asyncpg.Record]:
    return await collect(query(db, **windows.columns)) if windows.numbers else []


_FOLDED = {
    Aggregation.COUNT: "n", Aggregation.SUM: "total", Aggregation.MAX: "high", Aggregation.MIN: "low"
}  # fmt: skip


def _answer(parts: _Parts, found: _Found, wanted: _Wanted) -> Decimal:
    counted = [_counted(aggregation, number, found) for aggregation, number in parts.counted]
    averaged = Fraction(0)
    for span, numbers in parts.averaged:
        areas = [
            level_time(
                *found.levels.get(n, ((), ())), found.before.get(n, Decimal(0)), own.start, own.end
            )
            for n, own in ((n, wanted.levels.spans[n]) for n in numbers)
        ]
        averaged += average(sum(areas, Fraction(0)), span.start, span.end)
    return tidy(add_up([*counted, rounded(averaged, parts.decimals)]))


def _counted(aggregation: Aggregation, number: int, found: _Found) -> Decimal:
    if aggregation is Aggregation.UNIQUE_COUNT:
        return Decimal(found.distinct.get(number, 0))
    if aggregation is Aggregation.LATEST:
        return Decimal(found.newest.get(number, 0))
    row = found.folded.get(number)
    return Decimal(0) if row is None else Decimal(row[_FOLDED[aggregation]] or 0)
