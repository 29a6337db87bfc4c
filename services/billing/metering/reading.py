"""Windows of time, whole or by civil day or hour, and the raw events in them."""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from services.billing.domain.periods import civil_day, midnight
from services.billing.metering.arrivals import Arrival, as_before, read
from services.billing.metering.blocks import unpack, unpack_offsets
from services.billing.metering.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A window `[start, end)` of instants, at bounds of civil hours."""

    start: datetime
    end: datetime


def days(first: date, after: date, zone: ZoneInfo) -> Span:
    """The civil days `[first, after)`."""
    return Span(midnight(first, zone), midnight(after, zone))


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
