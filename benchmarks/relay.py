"""Facts per second through the outbox relay, against the same messages sent by a bare idempotent producer."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from benchmarks.engine import MIGRATIONS, NAME
from benchmarks.report import Row, median
from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from tests.faults.servers import Servers
from tests.support.running import running, settings_for

FACTS = 20_000
SINGLES = 200
RUNS = 3


def payload() -> HeartbeatReceived:
    return HeartbeatReceived(service_id=str(uuid4()))


async def relay(settings: ServiceSettings) -> tuple[float, float]:
    """Facts per second of a backlog, and the median milliseconds of a single fact from commit to Kafka."""
    async with running(Service(NAME, settings, MIGRATIONS)) as service:
        async with service.runtime.unit(f"bench-{uuid4()}") as unit:
            for n in range(FACTS):
                unit.publish(payload(), subject=f"tenant-{n % 200}")
        began = time.perf_counter()
        while (await service.sql("select count(*) as n from outbox"))[0]["n"]:
            await asyncio.sleep(0.005)
        backlog = FACTS / (time.perf_counter() - began)
        waits = []
        for _ in range(SINGLES):
            async with service.runtime.unit(f"bench-{uuid4()}") as unit:
                unit.publish(payload(), subject="tenant-1")
            began = time.perf_counter()
            while await service.sql("select 1 from outbox limit 1"):
                await asyncio.sleep(0)
            waits.append((time.perf_counter() - began) * 1000)
        return backlog, median(waits)


async def bare(bootstrap: str, topic: str) -> float:
    """Messages per second of a bare producer with the same promises."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=256 * 1024,
        compression_type="lz4",
    )
    await producer.start()
    data = payload()
    values = [
        Event(str(n), "/bench", data.wire_type, f"t{n % 200}", datetime.now(UTC), data).encode()
        for n in range(FACTS)
    ]
    began = time.perf_counter()
    sending = [
        await producer.send(topic, key=f"t{n % 200}".encode(), value=value)
        for n, value in enumerate(values)
    ]
    await asyncio.gather(*sending)
    elapsed = time.perf_counter() - began
    await producer.stop()
    return FACTS / elapsed


async def run(on_servers: Servers, database: str) -> list[Row]:
    """The relay and the bare producer, in turn."""
    prefix = f"b{uuid4().hex[:6]}."
    settings = await settings_for(
        ServiceSettings, NAME, database, on_servers.kafka.bootstrap, prefix
    )
    ours, waits, other = [], [], []
    for _ in range(RUNS):
        backlog, wait = await relay(settings)
        ours.append(backlog)
        waits.append(wait)
        other.append(await bare(on_servers.kafka.bootstrap, prefix + SIGNALS.name))
    return [
        Row.of(
            "outbox rows/s",
            median(ours),
            "bare idempotent producer, messages/s",
            median(other),
            ">= 6,250 rows/s",
        ),
        Row.of("one fact, commit to Kafka, p50 ms", median(waits), goal="<= 20 ms"),
    ]
