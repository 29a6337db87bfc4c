"""Faults of logs: offsets moved by hand, records removed unread, everything once more, another log under the same name."""

import asyncio
from functools import partial

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as GroupPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import SIGNALS, USAGE
from tests.faults.servers import Servers
from tests.faults.verdict import Count
from tests.faults.world import EVENTS, NAME, Case, World, finish, world
from tests.support.deleting import delete_topics


def _admin(case: World) -> AdminClient:
    return AdminClient({"bootstrap.servers": case.on.kafka.bootstrap, "log_level": 0})


async def offsets_moved(on: Servers, seed: int, to: str) -> Count:
    """The group's offsets deleted, or set to the beginning or the end, by hand, between two lives of a worker."""
    async with world(on, seed) as case:
        worker = await case.start_worker()
        await case.send(EVENTS // 2)
        await case.settle()
        await worker.stop()
        await asyncio.to_thread(_move_offsets, case, to)
        await case.send(EVENTS // 2)
        await case.start_worker()
        return await finish(case)


def _move_offsets(case: World, to: str) -> None:
    admin = _admin(case)
    for group, topic in ((NAME, SIGNALS), (f"{NAME}-volume", USAGE)):
        name = case.prefix + group
        if to == "deleted":
            next(iter(admin.delete_consumer_groups([name]).values())).result(timeout=20)
            continue
        offset = 0 if to == "earliest" else 1_000_000
        parts = [
            GroupPartition(case.prefix + topic.name, n, offset) for n in range(topic.partitions)
        ]
        altered = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, parts)])
        next(iter(altered.values())).result(timeout=20)


async def removed_unread(on: Servers, seed: int) -> Count:
    """Retention removes usage that nobody has read: the gap is recorded, to the exact offset, and the rest counts."""
    async with world(on, seed) as case:
        worker = await case.start_worker()
        await case.send(EVENTS)
        await case.settle()
        await worker.stop()
        await case.send(EVENTS)
        gaps = await _remove_some(case)
        await case.start_worker()
        found = await finish(case)
        async with case.connected() as db:
            rows = await db.fetch(
                "select part, from_offset, to_offset from ingest_gap where reason = 'retention'"
            )
        return found + Count(wrong=len(gaps ^ {tuple(row) for row in rows}))


async def _remove_some(case: World) -> set[tuple[int, int, int]]:
    """Cut every partition of usage somewhere above where it was read to; what is gone cannot be counted."""
    async with case.connected() as db:
        rows = await db.fetch(
            "select part, next_offset from consumer_offset where topic = $1", USAGE.name
        )
    fence = {row["part"]: row["next_offset"] for row in rows}
    ends = {
        part: 1 + max(place[1] for place in case.places if place[0] == part)
        for part, _ in case.places
    }
    cuts = {
        part: case.dice.randint(fence[part] + 1, end)
        for part, end in ends.items()
        if end > fence[part]
    }
    wanted = [GroupPartition(case.prefix + USAGE.name, part, cut) for part, cut in cuts.items()]
    admin = _admin(case)
    for future in admin.delete_records(wanted).values():
        await asyncio.to_thread(future.result, 20)
    for (part, offset), event_id in case.places.items():
        if fence[part] <= offset < cuts.get(part, 0):
            del case.sent.usage[event_id]
    return {(part, fence[part], cut - 1) for part, cut in cuts.items()}


async def replayed(on: Servers, seed: int) -> Count:
    """Everything is written a second time, and has no second effect."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS)
        await case.replay()
        return await finish(case)


async def made_anew(on: Servers, seed: int) -> Count:
    """The topics are deleted under a running worker and recreated; new records start again at offset 0."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS)
        await case.settle()
        names = [case.prefix + topic.name for topic in (SIGNALS, USAGE)]
        await delete_topics(on.kafka.bootstrap, names)
        await case.make_topics()
        await case.send(EVENTS // 3)
        return await _taken(case)


async def _taken(case: World) -> Count:
    """Wait until every event sent has had its effect: offsets of two logs say nothing together. Then nothing may follow."""
    async with asyncio.timeout(60):
        while (await case.count()).lost:
            await asyncio.sleep(0.3)
    return await finish(case)


CASES: dict[str, Case] = {
    "group offsets deleted": partial(offsets_moved, to="deleted"),
    "group offsets set to the beginning": partial(offsets_moved, to="earliest"),
    "group offsets set beyond the end": partial(offsets_moved, to="latest"),
    "retention removes unread records": removed_unread,
    "the same topics replayed whole": replayed,
    "topics deleted and recreated": made_anew,
}
