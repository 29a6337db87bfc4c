"""Three brokers: what is accepted stays accepted, whichever of them is lost."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import SIGNALS
from tests.faults.world import Servers, World, servers, world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
EVENTS = 400
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


async def taken_after(case: World, sending: "asyncio.Task[None]") -> None:
    await sending
    await case.settle()
    count = await case.count()
    assert count.clean, count


async def test_a_leader_killed_while_events_flow_loses_and_doubles_nothing(cluster: Servers) -> None:
    async with world(cluster, SEED, replicas=3) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.01))
        await asyncio.sleep(2)
        leader = await asyncio.to_thread(leader_of, case)
        await cluster.kafka.kill(leader)
        await taken_after(case, sending)
        await cluster.kafka.start_node(leader)
        await cluster.kafka.wait_ready()


async def test_a_minority_lost_and_back_loses_and_doubles_nothing(cluster: Servers) -> None:
    async with world(cluster, SEED + 1, replicas=3) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        for node in (2, 3):
            await asyncio.sleep(1)
            await cluster.kafka.kill(node)
            await asyncio.sleep(1)
            await cluster.kafka.start_node(node)
            await cluster.kafka.wait_ready()
        await taken_after(case, sending)


async def test_a_rolling_restart_loses_and_doubles_nothing(cluster: Servers) -> None:
    async with world(cluster, SEED + 2, replicas=3) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        for node in cluster.kafka.nodes:
            await cluster.kafka.stop_node(node)
            await cluster.kafka.start_node(node)
            await cluster.kafka.wait_ready()
        await taken_after(case, sending)
