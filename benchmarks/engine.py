"""Events per second through the engine, with handlers that do nothing, against a bare `getmany` loop on the same topic."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.report import Row, median
from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS, USAGE, Topic
from schemas.usage import UsageRecorded
from services.chassis.engine.records import on, routes
from services.chassis.engine.slices import Slice, SliceUnit, on_slice
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Unit
from tests.faults.servers import Servers
from tests.support.running import running, settings_for

EVENTS = 120_000
BATCH = 8_000
"""Records of one fetch, the same for everybody; all are timed from their first batch on."""

RUNS = 3
NAME = "probe"
MIGRATIONS = Path(__file__).parent / "migrations"


class Stopwatch:
    """Handlers that do nothing but note when the first of them was called."""

    began = 0.0

    def start(self) -> None:
        """Note the first call."""
        self.began = self.began or time.perf_counter()

    async def record(self, event: Event[HeartbeatReceived], unit: Unit) -> None:
        """Do nothing, once per event."""
        self.start()

    async def slice(self, piece: Slice, unit: SliceUnit) -> None:
        """Do nothing, once per slice."""
        self.start()


async def fill(bootstrap: str, topic: str, wanted: Topic) -> None:
    """Put events on a topic, over all partitions."""
    service_id, now = str(uuid4()), datetime(2026, 11, 1, tzinfo=UTC)
    data: UsageRecorded | HeartbeatReceived = HeartbeatReceived(service_id=service_id)
    if wanted is USAGE:
        data = UsageRecorded.model_validate(
            {"service_id": service_id, "meter": "m", "quantity": "1"}
        )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=262_144,
    )
    await producer.start()
    for n in range(EVENTS):
        event = Event(str(n), "/bench", data.wire_type, f"tenant-{n % 200}", now, data)
        await producer.send(
            topic, key=event.subject.encode(), value=event.encode(), partition=n % wanted.partitions
        )
    await producer.stop()


async def bare(bootstrap: str, topic: str, partitions: int) -> float:
    """Events per second of a bare `getmany` loop, from its first batch on, as ours is measured."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
    await consumer.seek_to_beginning()
    began, seen = 0.0, 0
    while seen < EVENTS:
        seen += sum(
            len(records)
            for records in (await consumer.getmany(timeout_ms=200, max_records=BATCH)).values()
        )
        began = began or time.perf_counter()
    elapsed = time.perf_counter() - began
    await consumer.stop()
    return EVENTS / elapsed


async def engine(settings: ServiceSettings, database: str, topic: Topic) -> float:
    """Events per second through the engine, from the first offset to the last one committed in the database."""
    watch, by_record = Stopwatch(), topic is SIGNALS
    service = Service(
        NAME, settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, watch.record)) if by_record else {},
        slices=() if by_record else (on_slice(USAGE, watch.slice),),
    )  # fmt: skip
    connection = await asyncpg.connect(database, server_settings={"search_path": NAME})
    async with running(service):
        while (
            await connection.fetchval("select coalesce(sum(next_offset), 0) from consumer_offset")
            < EVENTS
        ):
            await asyncio.sleep(0.005)
        elapsed = time.perf_counter() - watch.began
    await connection.execute("truncate consumer_offset, inbox")
    await connection.close()
    return EVENTS / elapsed


async def run(on_servers: Servers, database: str) -> list[Row]:
    """Both handlers, each against the bare loop, in turn."""
    rows = []
    for topic, kind, goal in (
        (SIGNALS, "no-op record handler", "-"),
        (USAGE, "no-op slice handler", "-"),
    ):
        prefix = f"b{uuid4().hex[:6]}."
        settings = await settings_for(
            ServiceSettings,
            NAME,
            database,
            on_servers.kafka.bootstrap,
            prefix,
            slice_records_max=BATCH,
            volume_slice_records_max=BATCH,
        )
        await fill(on_servers.kafka.bootstrap, prefix + topic.name, topic)
        ours, other = [], []
        for _ in range(RUNS):
            ours.append(await engine(settings, database, topic))
            other.append(
                await bare(on_servers.kafka.bootstrap, prefix + topic.name, topic.partitions)
            )
        rows.append(
            Row.of(
                f"events/s, {kind}",
                median(ours),
                "bare getmany loop, events/s",
                median(other),
                goal,
            )
        )
    return rows
