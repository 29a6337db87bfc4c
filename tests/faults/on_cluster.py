"""Faults of a cluster of three brokers, while orders and usage flow through the doors of a whole Vicino, accepted with 202,
and beside them signals and usage straight to Kafka."""

import asyncio
from collections.abc import Awaitable, Callable

from confluent_kafka.admin import AdminClient

from schemas.topics import SIGNALS
from tests.faults.servers import Servers
from tests.faults.trade import trading
from tests.faults.verdict import Count
from tests.faults.world import SETTLE_SECONDS, Case, World, finish, world

EVENTS = 400
FIRMS = 10
FLOWING = 20
"""Usage events that Kafka has before anything is done to it."""

DOWN_SECONDS = 1.0
"""How long a lost broker stays away, and the time between two losses."""

ALONE_SECONDS = 8.0
"""How long two brokers go on without the third: longer than they take to notice."""

Harm = Callable[[World], Awaitable[None]]


async def while_trading(on: Servers, seed: int, harm: Harm) -> Count:
    """Let orders, usage and signals flow while something is done to the brokers; count when all has settled."""
    async with trading(on, seed) as trade, world(on, seed, replicas=len(on.kafka.nodes)) as case:
        await trade.order(FIRMS)
        await trade.settle()
        await case.start_worker(instance="0")
        async with asyncio.TaskGroup() as sending:
            sending.create_task(case.send(EVENTS, pace_seconds=0.02))
            sending.create_task(trade.order(FIRMS, pace_seconds=1.0))
            sending.create_task(trade.use(EVENTS // 2, pace_seconds=0.04))
            await _flowing(case)
            await harm(case)
        found = await finish(case)
        await trade.settle()
        return found + await trade.count()


async def _flowing(case: World) -> None:
    async with asyncio.timeout(SETTLE_SECONDS):
        await case.has_placed(FLOWING)


async def leader_killed(on: Servers, seed: int) -> Count:
    """Three brokers; the one that leads is killed with -9, the others go on without it, and it comes back."""
    return await while_trading(on, seed, _kill_leader)


async def _kill_leader(case: World) -> None:
    leader = await asyncio.to_thread(_leader_of, case)
    await case.on.kafka.kill(leader)
    await asyncio.sleep(ALONE_SECONDS)
    await _bring_back(case, leader)


def _leader_of(case: World) -> int:
    """The broker that leads partition 0 of the signals."""
    admin = AdminClient({"bootstrap.servers": case.on.kafka.bootstrap, "log_level": 0})
    topic = case.prefix + SIGNALS.name
    return int(admin.list_topics(topic, timeout=20).topics[topic].partitions[0].leader)


async def minority_lost(on: Servers, seed: int) -> Count:
    """Three brokers; first one, then another is killed with -9 and comes back."""
    return await while_trading(on, seed, _lose_minorities)


async def _lose_minorities(case: World) -> None:
    for node in case.dice.sample(case.on.kafka.nodes, 2):
        await case.on.kafka.kill(node)
        await asyncio.sleep(DOWN_SECONDS)
        await _bring_back(case, node)
        await asyncio.sleep(DOWN_SECONDS)


async def restarted_in_turn(on: Servers, seed: int) -> Count:
    """Three brokers, each in turn stopped and started again."""
    return await while_trading(on, seed, _restart_all)


async def _restart_all(case: World) -> None:
    for node in case.on.kafka.nodes:
        await case.on.kafka.stop_node(node)
        await _bring_back(case, node)


async def _bring_back(case: World, node: int) -> None:
    await case.on.kafka.start_node(node)
    await case.on.kafka.wait_ready()


CASES: dict[str, Case] = {
    "a leader of three brokers killed with -9": leader_killed,
    "a minority of three brokers lost and back": minority_lost,
    "three brokers restarted in turn": restarted_in_turn,
}
