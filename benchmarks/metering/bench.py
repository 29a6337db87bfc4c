"""`make bench-metering`: ours and the comparisons in turn in one run, the median of five, counts checked after every run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.metering.peers import bare_copy, decode_rates, per_message, sizes
from benchmarks.metering.profile import steps
from benchmarks.metering.world import METERS, TENANTS, World, check, events, memory_mb, outcome
from benchmarks.report import Row, median
from schemas.topics import USAGE
from tests.faults.servers import Servers

EVENTS = 400_000
PEER_EVENTS = 6_000
DECODED = 20_000
RUNS = 5
STEADY_RATE, STEADY_SECONDS = 10_000, 8
POISON = 0.01


@dataclass
class Figures:
    """All runs of everything, in events per second unless said otherwise."""

    ours: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)
    poisoned: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    decoded: list[float] = field(default_factory=list)
    bare_decoded: list[float] = field(default_factory=list)
    strictly_decoded: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    by_one: list[dict[str, float]] = field(default_factory=list)
    by_two: list[dict[str, float]] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)


async def fresh(on: Servers) -> World:
    """A world of its own for every run."""
    world = World(on, f"bench_{uuid4().hex[:8]}", f"b{uuid4().hex[:6]}.")
    await world.prepare()
    return world


async def clean_and_replayed(on: Servers, figures: Figures, seed: int) -> None:
    """A backlog counted; the same log read again from its beginning; the bare COPY and the peer beside it."""
    world = await fresh(on)
    found = events(EVENTS, seed)
    await world.produce(found)
    async with world.connected() as db:
        worker = await world.worker()
        rate, spent = await world.until(db, EVENTS, workers=[worker])
        figures.ours.append(rate)
        figures.by_one.append(spent)
        figures.memory_mb.append(memory_mb(worker))
        await worker.stop()
        await check(db, EVENTS)
        await db.execute("delete from consumer_offset")
        worker = await world.worker()
        rate, _ = await world.until(db, EVENTS)
        figures.replayed.append(rate)
        await worker.stop()
        await check(db, EVENTS)
        told = await outcome(db)
        if told.get("duplicate") != EVENTS:
            raise AssertionError(f"{EVENTS} events were replayed, {told} is the account")
    figures.copied.append(await bare_copy(world, EVENTS, seed))
    peer = World(on, world.database, f"p{uuid4().hex[:6]}.")
    await peer.prepare_topics()
    await peer.produce(found[:PEER_EVENTS])
    figures.peer.append(await per_message(peer, peer.prefix + USAGE.name, PEER_EVENTS))
    ours, bare, strict = decode_rates([raw for _, raw in found[:DECODED]])
    figures.decoded.append(ours)
    figures.bare_decoded.append(bare)
    figures.strictly_decoded.append(strict)
    figures.steps.append(steps([raw for _, raw in found[: 5 * DECODED]], TENANTS, METERS))


async def poisoned(on: Servers, figures: Figures, seed: int) -> None:
    """One record in a hundred cannot be read."""
    world = await fresh(on)
    found = events(EVENTS, seed, POISON)
    bad = sum(raw == b"{not json" for _, raw in found)
    await world.produce(found)
    async with world.connected() as db:
        worker = await world.worker()
        rate, _ = await world.until(db, EVENTS)
        await worker.stop()
        await check(db, EVENTS - bad)
        if await db.fetchval("select count(*) from reject") != bad:
            raise AssertionError(f"{bad} records cannot be read; not as many rejects")
    figures.poisoned.append(rate)


async def by_two(on: Servers, figures: Figures, seed: int) -> None:
    """Two workers share four partitions of a backlog; timed over its second half, when both are at work."""
    world = await fresh(on)
    await world.produce(events(EVENTS, seed))
    async with world.connected() as db:
        workers = [await world.worker(VICINO_INSTANCE=str(n)) for n in range(2)]
        rate, spent = await world.until(db, EVENTS, after=EVENTS // 2, workers=workers)
        await asyncio.gather(*(worker.stop() for worker in workers))
        await check(db, EVENTS)
    figures.two.append(rate)
    figures.by_two.append(spent)


async def steady(on: Servers, figures: Figures, seed: int) -> None:
    """At a steady rate, how long from sending an event to its commit: a probe in each half second of each partition."""
    world = await fresh(on)
    async with world.connected() as db:
        worker = await world.worker()
        await world.produce(events(1_000, seed + 2000))
        await world.until(db, 1_000)
        watching = asyncio.create_task(
            world.watch(db, figures.latencies_ms, STEADY_RATE * STEADY_SECONDS + 1_000)
        )
        await world.produce_at(events(STEADY_RATE * STEADY_SECONDS, seed), STEADY_RATE)
        await watching
        await worker.stop()
        await check(db, STEADY_RATE * STEADY_SECONDS + 1_000)


async def run(on: Servers, _: str) -> list[Row]:
    """Everything, in turn."""
    figures, console = Figures(), Console()
    console.print(
        f"{EVENTS:,} events of {sizes([raw for _, raw in events(100, 0)])}", highlight=False
    )
    kinds: tuple[Callable[[Servers, Figures, int], Awaitable[None]], ...] = (
        clean_and_replayed, poisoned, by_two, steady,
    )  # fmt: skip
    for turn in range(RUNS):
        for kind in kinds:
            began = time.perf_counter()
            await kind(on, figures, turn)
            done = f"{datetime.now(UTC):%H:%M:%S} {turn + 1} of {RUNS}: {kind.__name__}"
            console.print(f"{done}, {time.perf_counter() - began:.0f} s", highlight=False)
    _print_profile(figures, console)
    return _rows(figures)


def _print_profile(figures: Figures, console: Console) -> None:
    """What remains between us and the ceiling: who spends the processor's time, and a worker on what."""
    table = Table(
        "microseconds of CPU for an event", "by one worker", "by two", title="who spends it"
    )
    one, two = _medians(figures.by_one), _medians(figures.by_two)
    for who in one:
        table.add_row(who, f"{one[who]:.2f}", f"{two[who]:.2f}")
    table.add_row("all", f"{sum(one.values()):.2f}", f"{sum(two.values()):.2f}")
    console.print(table)
    table = Table(
        "step", "microseconds of CPU for an event", title="a worker's steps, each timed apart"
    )
    for step, spent in _medians(figures.steps).items():
        table.add_row(step, f"{spent:.2f}")
    console.print(table)


def _medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: median([spent[name] for spent in found]) for name in found[0]}


def _rows(figures: Figures) -> list[Row]:
    ours, two, copied = median(figures.ours), median(figures.two), median(figures.copied)
    late = sorted(figures.latencies_ms)
    return [
        Row.of("Kafka to deduped, bucketed, committed, one worker, events/s", ours, "bare COPY into a uuid primary key",
               copied, ">= 0.60, aim at 1.0"),
        Row.of("the same, two workers", two, "the same", copied, ">= 0.60, aim at 1.0"),
        Row.of("one worker", ours, "per-message FastStream handler with upserts", median(figures.peer), ">= 20"),
        Row.of("decode and validate one event, 1/s", median(figures.decoded), "bare msgspec decode loop",
               median(figures.bare_decoded), ">= 0.60"),
        Row.of("the same", median(figures.decoded), "msgspec's own constraints, no more", median(figures.strictly_decoded)),
        Row.of("replay of events already seen, events/s", median(figures.replayed), "own first pass", ours, ">= 2"),
        Row.of("1 % poison, events/s", median(figures.poisoned), "own clean run", ours, ">= 0.80"),
        Row.of("two workers on four partitions, events/s", two, "one worker", ours, ">= 1.0"),
        Row.of(f"sent to committed at {STEADY_RATE:,}/s, p99 ms", late[int(len(late) * 0.99)], goal="< 500 ms"),
        Row.of(f"sent to committed at {STEADY_RATE:,}/s, p50 ms", late[len(late) // 2]),
        Row.of("resident memory of a worker, MiB", max(figures.memory_mb), goal="< 300 MB"),
        *_cpu("one worker", figures.by_one), *_cpu("two workers", figures.by_two),
    ]  # fmt: skip


def _cpu(how: str, found: Sequence[dict[str, float]]) -> list[Row]:
    return [
        Row.of(f"{how}: CPU of {who} for an event, µs", spent)
        for who, spent in _medians(found).items()
    ]
