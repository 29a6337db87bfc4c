"""What meters say: quantities of a window, whole or by civil day or hour, and the events behind them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import asyncpg

from schemas.catalogue import Aggregation, Meter
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.buckets import add_up
from services.billing.domain.meters import Meters, MeterVersion
from services.billing.domain.money import tidy
from services.billing.domain.periods import civil_day, midnight
from services.billing.metering.arrivals import Arrival, as_before, read
from services.billing.metering.blocks import unpack
from services.billing.metering.store import sql
from services.chassis.database import Connection
from services.chassis.store import rows

HOUR = timedelta(hours=1)


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
    series = await rows(sql.series_of_meter(db, service_id=service_id, meter=key))
    return await quantity(db, key, meters, series, span)


async def quantity(db: Connection, key: str, meters: Meters, series: Sequence[asyncpg.Record], span: Span) -> Decimal:
    """The quantity of some series of one meter over a window.

    Versions that aggregate alike are one meter. Where a version changed the aggregation, each part counts for its time.
    """
    found = []
    for versions, part in _parts(meters.versions(key), span):
        numbers = {version.version for version in versions}
        own = [row for row in series if row["version"] in numbers]
        if own:
            found.append(await _aggregated(db, versions[0].meter, own, span, part))
    return tidy(add_up(found))


def _parts(versions: Sequence[MeterVersion], span: Span) -> Iterable[tuple[list[MeterVersion], Span]]:
    """Runs of versions with one aggregation, the latest first, each with its share of the window."""
    runs: list[list[MeterVersion]] = []
    for version in versions:
        if runs and runs[-1][0].meter.aggregation is version.meter.aggregation:
            runs[-1].append(version)
        else:
            runs.append([version])
    end = span.end
    for n, run in enumerate(runs):
        start = span.start if n == len(runs) - 1 else max(span.start, min(version.valid_from for version in run))
        if start < end:
            yield run, Span(start, end)
        end = min(end, start)


async def _aggregated(
    db: Connection, meter: Meter, series: Sequence[asyncpg.Record], span: Span, part: Span
) -> Decimal:
    """Only levels are cut at the bounds of versions: buckets are of one version, which may begin within an hour."""
    numbers = [row["no"] for row in series]
    window = {"starts": span.start, "ends": span.end}
    match meter.aggregation:
        case Aggregation.UNIQUE_COUNT:
            return Decimal(await sql.distinct_values(db, series=numbers, **window))
        case Aggregation.TIME_WEIGHTED:
            return await _averages(db, meter, series, part)
    return _folded(meter.aggregation, await rows(sql.buckets(db, series=numbers, **window)))


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
    newest = max(buckets, key=lambda bucket: (bucket["last_at"], bucket["last_order"]), default=None)
    return Decimal(0) if newest is None else Decimal(newest["last"])


async def _averages(db: Connection, meter: Meter, series: Sequence[asyncpg.Record], span: Span) -> Decimal:
    """The average level over a window; levels of different groups add up."""
    groups: dict[str, list[int]] = {}
    for row in series:
        groups.setdefault(str(sorted(row["dimensions"].items())), []).append(row["no"])
    found = []
    for numbers in groups.values():
        before = await sql.level_before(db, series=numbers, instant=span.start) or Decimal(0)
        levels = await rows(sql.levels(db, series=numbers, starts=span.start, ends=span.end))
        samples = [Sample(row["at"], row["order"].hex(), row["level"]) for row in levels]
        found.append(time_weighted(samples, before, span.start, span.end, meter.decimals))
    return add_up(found)


def cut(span: Span, by: str, zone: ZoneInfo) -> list[Span]:
    """A window cut `by` civil `day` or `hour`, or left `total`. An hour that a change of clocks repeats comes twice."""
    if by == "total":
        return [span]
    if by == "hour":
        hours = (span.end - span.start) // HOUR
        return [Span(span.start + n * HOUR, span.start + (n + 1) * HOUR) for n in range(hours)]
    first, after = civil_day(span.start, zone), civil_day(span.end, zone)
    return [days(first + timedelta(n), first + timedelta(n + 1), zone) for n in range((after - first).days)]


async def events(db: Connection, spans: Mapping[int, Span]) -> AsyncIterator[list[Arrival]]:
    """The raw events of tenants, by number, each in a window of its own: block by block, as they were counted."""
    starts, ends = min(span.start for span in spans.values()), max(span.end for span in spans.values())
    async with sql.blocks_cursor(db, tenants=list(spans), starts=starts, ends=ends) as blocks:
        async for block in blocks:
            yield [
                arrival
                for tenant, raws in unpack(block["events"], block["tenants"], block["ns"], spans)
                for arrival in map(_again if block["with_principal"] else _as_then, raws)
                if spans[tenant].start <= arrival.at < spans[tenant].end
            ]
            await asyncio.sleep(0)  # a block is some 40 ms of work: others have their turn


def _again(raw: bytes) -> Arrival:
    return read(raw, 0)


def _as_then(raw: bytes) -> Arrival:
    """An event that was counted before principals were part of keys."""
    return as_before(read(raw, 0))
