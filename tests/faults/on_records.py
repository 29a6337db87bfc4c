"""Faults of records: what cannot be read, at every place and in every proportion; ids used again; batches that
decompress to many times their size; events from older and newer builds."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from schemas.topics import SIGNALS, USAGE
from services.billing.metering.blocks import unpack
from services.local.process import Child
from tests.faults.poison import POISON, refused
from tests.faults.sending import Raw
from tests.faults.servers import Servers
from tests.faults.verdict import Count
from tests.faults.world import EVENTS, Case, World, finish, world

BOMB_BYTES = 200 * 2**20
"""What the bomb unpacks to; on the wire it has some kilobytes."""

MEMORY_MAX_MB = 300
CODECS = ("gzip", "snappy", "lz4", "zstd")


async def poison_everywhere(on: Servers, seed: int) -> Count:
    """Every class of bad record, at every position of a batch: good neighbours act, the bad one is kept."""
    async with world(on, seed) as case:
        for topic, makers in ((SIGNALS, (*POISON, refused)), (USAGE, POISON)):
            for position in range(4):
                for make in makers:
                    good = [
                        case.signal() if topic is SIGNALS else case.usage_event() for _ in range(3)
                    ]
                    batch: list[Raw] = [(name, key, value, []) for name, key, value in good]
                    batch.insert(position, (topic.name, *make(case.dice)))
                    await case.send_raw(batch)
                    case.sent.rejects[topic.name] += 1
        await case.start_worker(instance="0")
        return await finish(case)


async def poison_stream(on: Servers, seed: int, share: float) -> Count:
    """A stream of which a share cannot be read: the worker stays up, the same process all the time."""
    async with world(on, seed) as case:
        worker = await case.start_worker(instance="0")
        batch: list[Raw] = []
        for _ in range(EVENTS * 4):
            if case.dice.random() < share:
                batch.append((USAGE.name, *case.dice.choice(POISON)(case.dice)))
                case.sent.rejects[USAGE.name] += 1
            else:
                batch.append((*case.usage_event(), []))
        await case.send_raw(batch)
        return await finish(case) + Count(wrong=not worker.running)


async def id_reused(on: Servers, seed: int) -> Count:
    """Ids come again with another quantity, in the same slice, the next, and another partition: the first one counts."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS)
        await case.settle()
        batch: list[Raw] = []
        for event_id, (tenant, quantity) in case.dice.sample(
            sorted(case.sent.usage.items()), EVENTS // 3
        ):
            batch.append((*case.usage_of(event_id, tenant, quantity + 1), []))
            case.sent.rejects[USAGE.name] += 1
        fresh = case.usage_event()
        other = case.usage_of(
            event_id := f"u{len(case.sent.usage) - 1}",
            case.sent.usage[event_id][0],
            case.dice_quantity(),
        )
        case.sent.rejects[USAGE.name] += 1
        await case.send_raw([*batch, (*fresh, []), (*other, [])])
        return await finish(case)


async def compressed(on: Servers, seed: int) -> Count:
    """Producers compress as they like."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        for codec in CODECS:
            await case.send_raw(
                [(*case.usage_event(), []) for _ in range(EVENTS)], compression=codec
            )
        return await finish(case)


async def bomb(on: Servers, seed: int, codec: str) -> Count:
    """A small batch that swells to hundreds of megabytes: one partition stops and says so, the others go on.

    Then an operator does what the runbook says, and what stood behind it counts too.
    """
    async with world(on, seed) as case:
        worker = await case.start_worker(instance="0")
        await case.send(EVENTS)
        await case.settle()
        offset = await case.send_bomb(bytes(BOMB_BYTES), codec)
        await case.send(EVENTS)
        halted = await case.until_problem(worker, "cannot be read")
        await _others_are_taken(case)
        swollen = _peak_mb(worker) > MEMORY_MAX_MB
        await worker.stop()
        async with case.connected() as db:
            await db.execute(
                "insert into ingest_gap (topic, part, log_id, from_offset, to_offset, reason) "
                "select topic, part, log_id, $2, $2, 'unreadable' from consumer_offset where topic = $1 and part = 0",
                USAGE.name, offset,
            )  # fmt: skip
            await db.execute(
                "update consumer_offset set next_offset = $2 where topic = $1 and part = 0",
                USAGE.name,
                offset + 1,
            )
        await case.start_worker(instance="0")
        return await finish(case) + Count(wrong=swollen + (f"{USAGE.name}/0" not in halted))


async def _others_are_taken(case: World) -> None:
    """Until all that stands in other partitions is counted."""
    wanted = sum(part != 0 for part, _ in case.places)
    query = "select coalesce(sum(next_offset), 0)::int from consumer_offset where topic = $1 and part <> 0"
    async with case.connected() as db, asyncio.timeout(60):
        while await db.fetchval(query, USAGE.name) < wanted:
            await asyncio.sleep(0.1)


def _peak_mb(worker: Child) -> float:
    """The most memory a process has had, in MB."""
    status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


async def evolved(on: Servers, seed: int) -> Count:
    """Events of older and newer makers: what is known counts, what is not is kept; another version waits for its reader."""
    async with world(on, seed) as case:
        batch: list[Raw] = []
        for n in range(EVENTS):
            topic, key, value = case.usage_event()
            event = msgspec.json.decode(value)
            if n % 3 == 0:
                event |= {
                    "futureattribute": "f",
                    "data": {**event["data"], "future": {"deep": [1, 2]}},
                }
            elif n % 3 == 1:
                event = {
                    name: event[name]
                    for name in ("specversion", "id", "source", "type", "subject", "time", "data")
                }
            batch.append((topic, key, msgspec.json.encode(event), []))
        batch.append((USAGE.name, b"k", _of_version_2(case), []))
        case.sent.rejects[USAGE.name] += 1
        await case.send_raw(batch)
        await case.start_worker(instance="0")
        found = await finish(case)
        return found + Count(lost=len(range(0, EVENTS, 3)) - await _with_future_fields(case))


def _of_version_2(case: World) -> bytes:
    _, _, value = case.usage_of("v2", 0, case.dice_quantity())
    event: dict[str, Any] = msgspec.json.decode(value)
    return msgspec.json.encode(
        event | {"type": "vicino.usage.recorded.v2", "data": {"amount": "1"}}
    )


async def _with_future_fields(case: World) -> int:
    async with case.connected() as db:
        blocks = await db.fetch("select tenants, ns, events from usage_block")
    raws = [
        raw
        for b in blocks
        for _, found in unpack(b["events"], b["tenants"], b["ns"], b["tenants"])
        for raw in found
    ]
    return sum(b"futureattribute" in raw and b'"deep"' in raw for raw in raws)


CASES: dict[str, Case] = {
    "poison of every class at every position": poison_everywhere,
    "1 % poison": partial(poison_stream, share=0.01),
    "50 % poison": partial(poison_stream, share=0.5),
    "100 % poison": partial(poison_stream, share=1.0),
    "the same ids with other content": id_reused,
    "batches compressed in every way": compressed,
    "a zstd batch that swells to 200 MiB": partial(bomb, codec="zstd"),
    "a gzip batch that swells to 200 MiB": partial(bomb, codec="gzip"),
    "events of older and newer makers": evolved,
}
