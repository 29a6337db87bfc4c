"""Every fault, as one function of servers and a seed: do it for real, let the system settle, count."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as GroupPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import SIGNALS, USAGE
from services.chassis.failpoints import POINTS
from tests.faults.poison import POISON, refused
from tests.faults.worker import NAME
from tests.faults.world import Count, Servers, World, world

EVENTS = 150
Case = Callable[[Servers, int], Awaitable[Count]]


async def _finish(case: World) -> Count:
    await case.settle()
    return await case.count()


async def kill_at(on: Servers, seed: int, point: str) -> Count:
    """SIGKILL of a worker when it gets to a named point, for a random time; another process goes on."""
    async with world(on, seed) as case:
        times = 1 if point == "engine.acknowledged" else case.dice.randint(1, 4)
        doomed = await case.start_worker(f"{point}:{times}", instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.002))
        async with asyncio.timeout(60):
            code = await doomed.wait()
        await case.start_worker(instance="0")
        await sending
        found = await _finish(case)
        died_of_it = code == 128 + signal.SIGKILL
        return found if died_of_it else Count(found.lost, found.doubled, found.wrong + 1)


async def zombie(on: Servers, seed: int, point: str) -> Count:
    """A worker paused beyond its session, while another takes over, and then resumed."""
    async with world(on, seed) as case:
        paused = await case.start_worker(f"{point}:2:stop")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.01))
        await _until_paused(paused.pid)
        await case.start_worker()
        await sending
        await asyncio.sleep(8)  # beyond the session: the pause itself is the fault
        paused.resume()
        return await _finish(case)


async def _until_paused(pid: int) -> None:
    import psutil

    async with asyncio.timeout(60):
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.05)


async def rebalance(on: Servers, seed: int) -> Count:
    """Workers come and go while slices are in work."""
    async with world(on, seed) as case:
        first = await case.start_worker()
        sending = asyncio.create_task(case.send(EVENTS * 2, pace_seconds=0.02))
        for _ in range(3):
            other = await case.start_worker()
            await asyncio.sleep(case.dice.uniform(1.0, 2.0))
            await (other.stop() if case.dice.random() < 0.5 else first.kill())
            first = await case.start_worker() if not first.running else first
        await sending
        return await _finish(case)


async def postgres_stopped(on: Servers, seed: int) -> Count:
    """PostgreSQL stopped at once, and started again, twice."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        for _ in range(2):
            await asyncio.sleep(case.dice.uniform(0.5, 1.5))
            await on.postgres.stop_immediately()
            await asyncio.sleep(case.dice.uniform(0.1, 1.0))
            await on.postgres.launch()
        await sending
        return await _finish(case)


async def kafka_killed(on: Servers, seed: int) -> Count:
    """The broker killed with -9, and started again."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        await asyncio.sleep(case.dice.uniform(0.8, 2.0))
        await on.kafka.kill(1)
        await on.kafka.start_node(1)
        await on.kafka.wait_ready()
        await sending
        return await _finish(case)


async def offsets_reset(on: Servers, seed: int, to: str) -> Count:
    """The group's offsets deleted, or set to the beginning or the end, by hand, between two lives of a worker."""
    async with world(on, seed) as case:
        worker = await case.start_worker()
        await case.send(EVENTS // 2)
        await case.settle()
        await worker.stop()
        await asyncio.to_thread(_move_offsets, case, to)
        await case.send(EVENTS // 2)
        await case.start_worker()
        return await _finish(case)


def _move_offsets(case: World, to: str) -> None:
    admin = AdminClient({"bootstrap.servers": case.on.kafka.bootstrap, "log_level": 0})
    for group, topic in ((NAME, SIGNALS), (f"{NAME}-volume", USAGE)):
        name = case.prefix + group
        if to == "deleted":
            next(iter(admin.delete_consumer_groups([name]).values())).result(timeout=20)
            continue
        offset = 0 if to == "earliest" else 1_000_000
        parts = [GroupPartition(case.prefix + topic.name, n, offset) for n in range(topic.partitions)]
        altered = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, parts)])
        next(iter(altered.values())).result(timeout=20)


async def replayed(on: Servers, seed: int) -> Count:
    """Everything is written a second time: record handlers know the ids. (Slice handlers dedupe themselves.)"""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS)
        case.sent = [message for message in case.sent if message[0] == SIGNALS.name]
        await case.replay()
        return await _finish(case)


async def topic_made_anew(on: Servers, seed: int) -> Count:
    """The topic is deleted under a running worker and made anew; new records start again at offset 0."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS)
        await case.settle()
        admin = AdminClient({"bootstrap.servers": on.kafka.bootstrap, "log_level": 0})
        for future in admin.delete_topics([case.prefix + SIGNALS.name, case.prefix + USAGE.name]).values():
            await asyncio.to_thread(future.result, 20)
        await asyncio.sleep(1)  # a broker needs a moment before the name is free again
        await case.make_topics()
        await case.send(EVENTS // 3)
        await _taken(case)
        return await case.count()


async def _taken(case: World) -> None:
    """Wait until every event sent has had its effect: offsets of two logs say nothing together."""
    async with asyncio.timeout(60):
        while (await case.count()).lost:
            await asyncio.sleep(0.3)
    await asyncio.sleep(1)


async def poison(on: Servers, seed: int) -> Count:
    """Every class of bad record, at every position of a batch: good neighbours act, the bad one is kept."""
    async with world(on, seed) as case:
        for topic, makers in ((SIGNALS, (*POISON, refused)), (USAGE, POISON)):
            for position in range(4):
                for make in makers:
                    good = [case.signal() if topic is SIGNALS else case.usage_event() for _ in range(3)]
                    batch: list[tuple[str, bytes | None, bytes | None, list[tuple[str, Any]]]] = [
                        (name, key, value, []) for name, key, value in good
                    ]
                    batch.insert(position, (topic.name, *make(case.dice)))
                    await case.send_raw(batch)
                    case.bad += 1
        await case.start_worker(instance="0")
        return await _finish(case)


CASES: dict[str, Case] = {
    **{f"kill -9 at {point}": partial(kill_at, point=point) for point in POINTS},
    "zombie, paused before its transaction": partial(zombie, point="engine.fetched"),
    "zombie, paused within its transaction": partial(zombie, point="engine.handled"),
    "zombie, paused after its commit": partial(zombie, point="engine.after_commit"),
    "rebalance while slices are in work": rebalance,
    "PostgreSQL stopped and started": postgres_stopped,
    "Kafka killed with -9 and started": kafka_killed,
    "group offsets deleted": partial(offsets_reset, to="deleted"),
    "group offsets set to the beginning": partial(offsets_reset, to="earliest"),
    "group offsets set beyond the end": partial(offsets_reset, to="latest"),
    "the same topic replayed whole": replayed,
    "a topic deleted and made anew": topic_made_anew,
    "poison of every class at every position": poison,
}
