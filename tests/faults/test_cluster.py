"""Three brokers: what is accepted stays accepted, whichever of them is lost: orders and usage with a 202 from the doors of a
whole Vicino, and beside them signals and usage straight to Kafka."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import SIGNALS
from tests.faults.trade import Trade, trading
from tests.faults.world import Servers, World, servers, world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
EVENTS = 400
FIRMS = 10
SEED = 3


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="vicino-cluster-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        async with servers(Path(folder), nodes=3) as on:
            yield on


def leader_of(case: World) -> int:
    """The broker that leads partition 0 of the signals."""
    admin = AdminClient({"bootstrap.servers": case.on.kafka.bootstrap, "log_level": 0})
    topic = case.prefix + SIGNALS.name
    return int(admin.list_topics(topic, timeout=20).topics[topic].partitions[0].leader)


@pytest.fixture(scope="module")
async def trade(cluster: Servers) -> AsyncIterator[Trade]:
    async with trading(cluster, SEED) as made:
        await made.order(FIRMS)
        await made.settle()
        yield made


@asynccontextmanager
async def flowing(cluster: Servers, trade: Trade, seed: int) -> AsyncIterator[World]:
    """Orders, usage and signals flow while something is done to the brokers; afterwards all of it has had its effect, once."""
    async with world(cluster, seed, replicas=3) as case:
        await case.start_worker(instance="0")
        async with asyncio.TaskGroup() as sending:
            sending.create_task(case.send(EVENTS, pace_seconds=0.02))
            sending.create_task(trade.order(FIRMS, pace_seconds=1.0))
            sending.create_task(trade.use(EVENTS // 2, pace_seconds=0.04))
            await asyncio.sleep(2)
            yield case
        await case.settle()
        assert (await case.count()).clean
        await trade.settle()
        assert (await trade.count()).clean


async def test_a_leader_killed_while_orders_and_usage_flow_loses_and_doubles_nothing(
    cluster: Servers, trade: Trade
) -> None:
    async with flowing(cluster, trade, SEED) as case:
        leader = await asyncio.to_thread(leader_of, case)
        await cluster.kafka.kill(leader)
        await asyncio.sleep(8)  # the others go on without it
        await cluster.kafka.start_node(leader)
        await cluster.kafka.wait_ready()


async def test_a_minority_lost_and_back_loses_and_doubles_nothing(cluster: Servers, trade: Trade) -> None:
    async with flowing(cluster, trade, SEED + 1):
        for node in (2, 3):
            await cluster.kafka.kill(node)
            await asyncio.sleep(1)
            await cluster.kafka.start_node(node)
            await cluster.kafka.wait_ready()
            await asyncio.sleep(1)


async def test_a_rolling_restart_loses_and_doubles_nothing(cluster: Servers, trade: Trade) -> None:
    async with flowing(cluster, trade, SEED + 2):
        for node in cluster.kafka.nodes:
            await cluster.kafka.stop_node(node)
            await cluster.kafka.start_node(node)
            await cluster.kafka.wait_ready()
