"""What is looked for in aiokafka's clients can be looked for at every moment of their life."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.chassis.kafka_clients import dead_tasks
from services.local.ports import free_port


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer], ids=["consumer", "producer"])
async def test_a_client_that_is_not_started_or_still_starts_has_no_dead_task(kind: type) -> None:
    """Whoever looks after a client does so beside its start, which takes as long as Kafka is unavailable."""
    client = kind(bootstrap_servers=f"127.0.0.1:{free_port()}", request_timeout_ms=1_000)
    assert dead_tasks(client) == []
    starting = asyncio.create_task(client.start())
    while not starting.done():
        assert dead_tasks(client) == []
        await asyncio.sleep(0.001)
    assert starting.exception() is not None, "nobody listens there"
    await client.stop()
