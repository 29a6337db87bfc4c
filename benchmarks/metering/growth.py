"""`make bench-growth`: what a long backlog does to a worker's memory, and what stored events cost the next ones.

Events are counted on top of none, of ten million that were counted in one go while memory was watched, and of as many as
the disk allows, up to a hundred million, whose keys PostgreSQL itself lays down as if they had been counted before.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from rich.console import Console

from benchmarks.metering.world import World, check, events, memory_mb
from benchmarks.report import Row, median
from tests.faults.servers import Servers, as_superuser

MILLION = 1_000_000
RUNS = 3
BACKLOG = 10 * MILLION
PORTION = MILLION // 2
STORED_MAX = 100 * MILLION
TIMED = MILLION
BYTES_PER_KEY = 130
"""Heap and index of a key, and as much again of WAL and sorting while they are laid down."""


async def backlog(world: World, db: Any, counted: int, console: Console) -> list[float]:
    """Count ten million events; returns MiB of memory, sampled every second."""
    for n in range(BACKLOG // PORTION):
        await world.produce(events(PORTION, counted + n))
        console.print(f"produced {(n + 1) * PORTION:,}", highlight=False)
    worker = await world.worker()
    memory: list[float] = []
    watching = asyncio.create_task(_watch(worker, memory))
    rate, _ = await world.until(db, counted + BACKLOG, after=counted + 1)
    console.print(f"counted {BACKLOG:,}: {rate:,.0f}/s, {memory[-1]:.0f} MiB", highlight=False)
    watching.cancel()
    await worker.stop()
    await check(db, counted + BACKLOG)
    return memory


async def _watch(worker: Any, memory: list[float]) -> None:
    while True:
        memory.append(memory_mb(worker))
        await asyncio.sleep(1)


async def on_top(world: World, db: Any, counted: int) -> float:
    """Events per second of one more backlog."""
    await world.produce(events(TIMED, counted))
    await as_superuser(world.on.postgres, "checkpoint")
    worker = await world.worker()
    rate, _ = await world.until(db, counted + TIMED, after=counted + TIMED // 4)
    await worker.stop()
    await check(db, counted + TIMED)
    return rate


async def lay_down(world: World, db: Any, keys: int, console: Console) -> None:
    """Keys of events counted before, in random order as hashes are, with their index."""
    began = time.perf_counter()
    await db.execute("alter table usage_key_1 drop constraint usage_key_1_pkey")
    lots = iter(range(0, keys, 5 * MILLION))
    await asyncio.gather(*(_lay_lots(world, lots, console) for _ in range(2)))
    await db.execute("set maintenance_work_mem = '1GB'")
    await db.execute("alter table usage_key_1 add primary key (event_key)")
    await db.execute("analyze usage_key_1")
    console.print(
        f"their index is made, {time.perf_counter() - began:.0f} s in all", highlight=False
    )


async def _lay_lots(world: World, lots: Iterator[int], console: Console) -> None:
    async with world.connected() as db:
        for first in lots:
            await db.execute(
                "insert into usage_key_1 select md5(n::text)::uuid, n from generate_series($1::bigint, $2) as n",
                first, first + 5 * MILLION - 1,
            )  # fmt: skip
            console.print(f"laid down a lot from {first:,} on", highlight=False)


def stored_wanted(world: World) -> int:
    """As many as the disk allows, in tens of millions."""
    free = shutil.disk_usage(world.on.home).free
    return min(
        STORED_MAX - BACKLOG, int(free * 0.6 / BYTES_PER_KEY) // (10 * MILLION) * 10 * MILLION
    )


async def run(on: Servers, _: str) -> list[Row]:
    """All of it; some fifteen minutes."""
    console = Console()
    world = World(on, f"bench_{uuid4().hex[:8]}", f"g{uuid4().hex[:6]}.")
    await world.prepare()
    async with world.connected() as db:
        first = await _on_top_of(world, db, 0)
        counted = RUNS * TIMED
        memory = await backlog(world, db, counted, console)
        counted += BACKLOG
        then = await _on_top_of(world, db, counted)
        more = stored_wanted(world)
        await lay_down(world, db, more, console)
        at_last = await _on_top_of(world, db, counted + RUNS * TIMED)
    half = len(memory) // 2
    millions = (counted + RUNS * TIMED) // MILLION
    return [
        Row.of(f"events/s on top of {millions} million stored", then, "on top of the first three million", first, ">= 0.80"),
        Row.of(f"events/s on top of {millions + more // MILLION} million stored", at_last, "the same", first, ">= 0.80"),
        Row.of("memory of a worker over a backlog of ten million, MiB, at most", max(memory), goal="< 300 MB"),
        Row.of("the same, second half of the time", max(memory[half:]), "first half", max(memory[:half]), "flat"),
    ]  # fmt: skip


async def _on_top_of(world: World, db: Any, counted: int) -> float:
    return median([await on_top(world, db, counted + n * TIMED) for n in range(RUNS)])
