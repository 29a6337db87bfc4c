"""Faults of the connections to Kafka: answers held back and connections reset; a transport that is closed already."""

import asyncio
from functools import partial

from tests.faults import breaking
from tests.faults.servers import Servers
from tests.faults.verdict import REST_SECONDS, Count
from tests.faults.world import EVENTS, Case, World, finish, world
from tests.support.holding import holding

HELD_SECONDS = 1.3
RESETS = 4
ONCE = {"ListOffsets", "FindCoordinator", "JoinGroup", "SyncGroup", "InitProducerId"}
"""Sent when a client starts, and then rarely."""


async def held_and_reset(on: Servers, seed: int) -> Count:
    """A proxy before Kafka lets requests through, holds the answers back for 1.3 s and resets the connections, over and
    over; everything is at rest within 30 s after the last time."""
    broker = on.kafka.ports["kafka-1"]
    async with holding(broker) as (proxy, port), world(on, seed) as case:
        await case.start_worker(instance="0", **{breaking.PORTS: f"{broker}:{port}"})
        await case.send(10)
        await case.settle()
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.04))
        for _ in range(RESETS):
            await asyncio.sleep(case.dice.uniform(0.2, 2.0))
            await proxy.hold_and_reset(HELD_SECONDS)
        await sending
        return await _at_rest(case) + Count(wrong=proxy.resets < RESETS)


async def closed_transport(on: Servers, seed: int, request: str) -> Count:
    """A request of some kind meets a transport that is closed already, which uvloop tells by a plain RuntimeError;
    everything is at rest within 30 s."""
    async with world(on, seed) as case:
        happened = on.home / f"{case.prefix}{request}"
        count = 1 if request in ONCE else case.dice.randint(1, 3)
        await case.start_worker(instance="0", **{breaking.CLOSED: f"{request}:{count}:{happened}"})
        while not happened.exists():
            await case.send(5, pace_seconds=0.05)
        await case.send(EVENTS // 3)
        return await _at_rest(case)


async def _at_rest(case: World) -> Count:
    """What came of it; whatever is not at rest in time is wrong."""
    try:
        await case.settle(REST_SECONDS)
    except TimeoutError:
        return Count(wrong=1)
    return await finish(case)


CASES: dict[str, Case] = {
    "answers of Kafka held back, connections reset": held_and_reset,
    **{
        f"a closed transport at {request}": partial(closed_transport, request=request)
        for request in breaking.REQUESTS
    },
}
