"""What meters say: quantities of a window, whole or by civil day or hour, and the events behind them."""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import asyncpg

from schemas.catalogue import Aggregation
from services.billing.domain.aggregation import Sample, average, level_time, rounded
from services.billing.domain.buckets import add_up
from services.billing.domain.meters import Meters, Stretch, aggregate_alike, carry_over
from services.billing.domain.money import tidy
from services.billing.domain.periods import civil_day, midnight
from services.billing.metering.arrivals import Arrival, as_before, read
from services.billing.metering.blocks import unpack, unpack_offsets
from services.billing.metering.store import Series, series_of, sql
from services.chassis.database import Connection
from services.chassis.store import collect

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A window `[start, end)` of instants, at bounds of civil hours."""

    start: datetime
    end: datetime


def days(first: date, after: date, zone: ZoneInfo) -> Span:
    """The civil days `[first, after)`."""
    return Span(midnight(first, zone), midnight(after, zone))


async def metered(db: Connection, service_id: str, key: str, meters: Meters, span: Span) -> Decimal:
    """The quantity of a service's meter over a window, all its groups together."""
    series = await series_of(db, service_id, key)
    return await quantity(db, key, meters, series, span)


async def quantity(
    db: Connection, key: str, meters: Meters, series: Sequence[Series], span: Span
) -> Decimal:
    """The quantity of some series of one meter over a window, each instant by the definition in force then.

    Versions that follow one another and aggregate alike are one meter. Where a version changed the aggregation, each part
    counts for its time. Averages are added exactly and rounded once, to the digits of the last definition in the window.
    """
    counted: list[Decimal] = []
    averaged, decimals = Fraction(0), 0
    for stretch in meters.stretches(key, aggregate_alike):
        part = stretch.within(span.start, span.end)
        if part is None:
            continue
        if stretch.versions[0].meter.aggregation is Aggregation.TIME_WEIGHTED:
            averaged += await _average(db, meters.stretches(key, carry_over), series, Span(*part))
            decimals = meters.in_force(key, part[1] - MICROSECOND).meter.decimals
        elif own := _of(series, stretch):
            counted.append(await _counted(db, stretch.versions[0].meter.aggregation, own, span))
    return tidy(add_up([*counted, rounded(averaged, decimals)]))


def _of(series: Sequence[Series], stretch: Stretch) -> list[Series]:
    """The series of a stretch's versions."""
    numbers = {version.version for version in stretch.versions}
    return [row for row in series if row.version in numbers]


async def _counted(
    db: Connection, aggregation: Aggregation, series: Sequence[Series], span: Span
) -> Decimal:
    """Buckets are not cut at the bounds of versions: each is of one version, which may begin within an hour."""
    window = {"series": [row.no for row in series], "starts": span.start, "ends": span.end}
    if aggregation is Aggregation.UNIQUE_COUNT:
        return Decimal(await sql.distinct_values(db, **window))
    return _folded(aggregation, await collect(sql.buckets(db, **window)))


def _folded(aggregation: Aggregation, buckets: Sequence[asyncpg.Record]) -> Decimal:
    match aggregation:
        case Aggregation.COUNT:
            return Decimal(sum(bucket["n"] for bucket in buckets))
        case Aggregation.SUM:
            return add_up(bucket["total"] for bucket in buckets)
        case Aggregation.MAX:
            return max((bucket["high"] for bucket in buckets), default=Decimal(0))
        case Aggregation.MIN:
            return min((bucket["low"] for bucket in buckets), default=Decimal(0))
    newest = max(
        buckets, key=lambda bucket: (bucket["last_at"], bucket["last_order"]), default=None
    )
    return Decimal(0) if newest is None else Decimal(newest["last"])


async def _average(
    db: Connection, eras: Sequence[Stretch], series: Sequence[Series], span: Span
) -> Fraction:
    """The average level over a window, exactly; levels of different groups add up.

    A level ends with its era: with other dimensions, the groups are others.
    """
    area = Fraction(0)
    for era in eras:
        part = era.within(span.start, span.end)
        if part is None:
            continue
        groups: dict[str, list[int]] = {}
        for row in _of(series, era):
            groups.setdefault(str(sorted(row.dimensions.items())), []).append(row.no)
        for numbers in groups.values():
            area += await _level_time(db, numbers, Span(*part))
    return average(area, span.start, span.end)


async def _level_time(db: Connection, series: Sequence[int], span: Span) -> Fraction:
    before = await sql.level_before(db, series=series, instant=span.start) or Decimal(0)
    levels = await collect(sql.levels(db, series=series, starts=span.start, ends=span.end))
    samples = [Sample(row["at"], row["order"].hex(), row["level"]) for row in levels]
    return level_time(samples, before, span.start, span.end)


def cut(span: Span, by: str, zone: ZoneInfo) -> list[Span]:
    """A window cut `by` civil `day` or `hour`, or left `total`. An hour that a change of clocks repeats comes twice."""
    if by == "total":
        return [span]
    if by == "hour":
        hours = (span.end - span.start) // HOUR
        return [Span(span.start + n * HOUR, span.start + (n + 1) * HOUR) for n in range(hours)]
    first, after = civil_day(span.start, zone), civil_day(span.end, zone)
    return [
        days(first + timedelta(n), first + timedelta(n + 1), zone)
        for n in range((after - first).days)
    ]


async def events(
    db: Connection, spans: Mapping[int, Span], *, with_retracted: bool = False
) -> AsyncIterator[tuple[list[Arrival], int | None]]:
    """The raw events of tenants, by number, each in a window of its own: block by block, as they were counted.

    With each block comes the number of the log it is of; None: that was not noted. What was taken back counts no more.
    """
    rows = [] if with_retracted else await collect(sql.retracted(db, tenants=list(spans)))
    retracted = {row["key"] for row in rows}
    starts, ends = (
        min(span.start for span in spans.values()),
        max(span.end for span in spans.values()),
    )
    async with sql.blocks_cursor(db, tenants=list(spans), starts=starts, ends=ends) as blocks:
        async for block in blocks:
            found = [
                arrival
                for tenant, raws, offsets in _kept(block, spans)
                for arrival in map(read if block["with_principal"] else _as_then, raws, offsets)
                if spans[tenant].start <= arrival.at < spans[tenant].end
                and arrival.key not in retracted
            ]
            yield found, block["log_no"]
            await asyncio.sleep(0)  # a block is some 40 ms of work: others have their turn


def _as_then(raw: bytes, offset: int) -> Arrival:
    """An event that was counted before principals were part of keys."""
    return as_before(read(raw, offset))


def _kept(
    block: asyncpg.Record, wanted: Container[int]
) -> Iterable[tuple[int, Sequence[bytes], Sequence[int]]]:
    """Tenants of a block, their events, and where those stood in their log: 0 if that was not noted."""
    tenants, ns = block["tenants"], block["ns"]
    kept = unpack(block["events"], tenants, ns, wanted)
    if block["offsets"] is None:
        return ((tenant, raws, [0] * len(raws)) for tenant, raws in kept)
    places = unpack_offsets(block["first_offset"], block["offsets"], tenants, ns, wanted)
    return ((tenant, raws, offsets) for (tenant, raws), offsets in zip(kept, places, strict=True))
