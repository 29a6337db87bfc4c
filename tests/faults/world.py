"""Servers and workers that may be killed, paused and cut, and the count of what was lost, doubled or wrong at the end."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.alerts import AlertAcknowledged
from schemas.envelope import Event, decode
from schemas.signals import AcknowledgementGiven
from schemas.topics import ALERTS, BY_NAME, SIGNALS, USAGE, Topic
from schemas.usage import UsageRecorded
from services.chassis.admin import ensure_topics
from services.local.home import CHECKOUT
from services.local.kafka import Kafka
from services.local.ports import free_port
from services.local.postgres import Postgres
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of
from tests.faults.worker import NAME, READS
from tests.support.running import read_topic

SETTLE_SECONDS = 60.0
SESSION_MS = 6000
PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class Count:
    """The verdict of a run."""

    lost: int
    doubled: int
    wrong: int

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return (self.lost, self.doubled, self.wrong) == (0, 0, 0)


@dataclass
class Servers:
    """A PostgreSQL and a Kafka of one's own, to be ill-treated."""

    home: Path
    postgres: Postgres
    kafka: Kafka


@asynccontextmanager
async def servers(home: Path, nodes: int = 1, **settings: str) -> AsyncIterator[Servers]:
    """Start servers in a folder."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    postgres, kafka = await asyncio.gather(
        Postgres.start(home / "postgres", log=home / "logs/postgres.log"),
        Kafka.start(home / "kafka", nodes=nodes, settings=settings),
    )
    try:
        yield Servers(home, postgres, kafka)
    finally:
        await asyncio.gather(postgres.stop(), kafka.stop())


class World:
    """One case: a database and topics of its own, workers, and what was sent."""

    def __init__(self, on: Servers, seed: int, replicas: int = 1) -> None:
        self.on, self.dice, self.replicas = on, random.Random(seed), replicas
        self.prefix = f"f{uuid4().hex[:8]}."
        self.database = f"fault_{uuid4().hex[:8]}"
        self.workers: list[Child] = []
        self.signals: list[str] = []
        self.usage: list[str] = []
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.bad = 0

    async def prepare(self) -> None:
        """Make the database and the topics."""
        await ensure_database(self.on.postgres.superuser_url, self.database)
        url = self.on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{self.database}"
        await ensure_service(url, self.database, NAME, PASSWORD)
        await self.make_topics()

    async def make_topics(self) -> None:
        """Make the topics that are not there."""
        await ensure_topics(self.on.kafka.bootstrap, BY_NAME.values(), prefix=self.prefix, replicas=self.replicas)

    @property
    def url(self) -> str:
        """The workers' DSN."""
        return self.on.postgres.url(role_of(NAME), PASSWORD, self.database)

    async def start_worker(self, failpoint: str = "", instance: str | None = None) -> Child:
        """Start a worker process."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VICINO_")}
        environment |= {
            "VICINO_POSTGRES_URL": self.url,
            "VICINO_KAFKA_BOOTSTRAP": self.on.kafka.bootstrap,
            "VICINO_TOPIC_PREFIX": self.prefix,
            "VICINO_HTTP_PORT": str(free_port()),
            "VICINO_SESSION_TIMEOUT_MS": str(SESSION_MS),
            "VICINO_SLICE_RECORDS_MAX": "40",
            "VICINO_VOLUME_SLICE_RECORDS_MAX": "60",
            **({"VICINO_FAILPOINT": failpoint} if failpoint else {}),
            **({"VICINO_INSTANCE": instance} if instance else {}),
        }
        log = self.on.home / "logs" / f"{self.prefix}worker.log"
        command = [sys.executable, "-m", "tests.faults.worker"]
        worker = await Child.start("probe", command, log=log, env=environment, cwd=CHECKOUT)
        self.workers.append(worker)
        return worker

    def signal(self) -> tuple[str, bytes, bytes]:
        """One more signal."""
        event_id = f"s{len(self.signals)}"
        self.signals.append(event_id)
        data = AcknowledgementGiven(alert_id=str(UUID(int=self.dice.getrandbits(128))), by="desk")
        return self._encoded(SIGNALS, event_id, data)

    def usage_event(self) -> tuple[str, bytes, bytes]:
        """One more usage event."""
        event_id = f"u{len(self.usage)}"
        self.usage.append(event_id)
        data = UsageRecorded.model_validate({"service_id": str(UUID(int=7)), "meter": "m", "quantity": "1"})
        return self._encoded(USAGE, event_id, data)

    def _encoded(self, topic: Topic, event_id: str, data: Any) -> tuple[str, bytes, bytes]:
        tenant = f"tenant-{self.dice.randrange(40)}"
        event = Event(event_id, "/faults", data.wire_type, tenant, datetime(2026, 11, 1, tzinfo=UTC), data)
        return topic.name, tenant.encode(), event.encode()

    async def send(self, n: int, pace_seconds: float = 0.0) -> None:
        """Send `n` signals and `n` usage events, each accepted exactly once by Kafka, whatever happens to it."""
        async with self.producer() as producer:
            for _ in range(n):
                for message in (self.signal(), self.usage_event()):
                    await self.send_one(producer, message)
                await asyncio.sleep(pace_seconds)

    async def send_one(self, producer: AIOKafkaProducer, message: tuple[str, bytes, bytes]) -> None:
        """Send until Kafka has it: what is accepted is what counts."""
        self.sent.append(message)
        topic, key, value = message
        while True:
            try:
                await producer.send_and_wait(self.prefix + topic, key=key, value=value)
                return
            except KafkaError:
                await asyncio.sleep(0.2)

    async def send_raw(self, records: Sequence[tuple[str, bytes | None, bytes | None, list[tuple[str, Any]]]]) -> None:
        """Send records as they are, in order, to partition 0."""
        async with self.producer() as producer:
            sending = [
                await producer.send(self.prefix + topic, key=key, value=value, headers=headers, partition=0)
                for topic, key, value, headers in records
            ]
            await asyncio.gather(*sending)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """An idempotent producer."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.on.kafka.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            retry_backoff_ms=200,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def replay(self) -> None:
        """Write everything that was sent once more."""
        async with self.producer() as producer:
            for topic, key, value in self.sent:
                await producer.send(self.prefix + topic, key=key, value=value)
            await producer.flush()

    async def settle(self) -> None:
        """Wait until all that is in Kafka was taken, and nothing is left to do."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while not await self._is_settled():
                await asyncio.sleep(0.1)

    async def _is_settled(self) -> bool:
        try:
            ends = await self._ends()
            connection = await asyncpg.connect(self.url, timeout=3, server_settings={"search_path": NAME})
        except (OSError, asyncpg.PostgresError, KafkaError, TimeoutError):
            return False
        try:
            rows = await connection.fetch(
                "select topic, part, next_offset, updated_at from consumer_offset order by updated_at"
            )
            done = {(row["topic"], row["part"]): row["next_offset"] for row in rows}
            left = await connection.fetchval("select (select count(*) from outbox) + (select count(*) from job)")
        except asyncpg.UndefinedTableError:
            return False
        finally:
            await connection.close()
        return left == 0 and all(done.get(key, 0) >= end for key, end in ends.items())

    async def _ends(self) -> dict[tuple[str, int], int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.on.kafka.bootstrap)
        await consumer.start()
        try:
            parts = [TopicPartition(self.prefix + topic.name, n) for topic in READS for n in range(topic.partitions)]
            ends = await asyncio.wait_for(consumer.end_offsets(parts), 10)
            return {(tp.topic.removeprefix(self.prefix), tp.partition): end for tp, end in ends.items()}
        finally:
            await consumer.stop()

    async def count(self) -> Count:
        """Compare what was sent with what happened."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": NAME})
        try:
            tables = {
                name: {row["id"]: row["n"] for row in await connection.fetch(f"select id, n from {name}")}
                for name in ("record_effect", "slice_effect", "job_effect")
            }
            rejects = await connection.fetchval("select count(*) from reject")
        finally:
            await connection.close()
        wanted = {"record_effect": self.signals, "slice_effect": self.usage, "job_effect": self.signals}
        lost = sum(len(set(ids) - tables[name].keys()) for name, ids in wanted.items())
        doubled = sum(n - 1 for table in tables.values() for n in table.values())
        wrong = sum(len(tables[name].keys() - set(ids)) for name, ids in wanted.items()) + abs(rejects - self.bad)
        facts = await self._facts()
        return Count(
            lost + len(set(self.signals) - facts.keys()), doubled + sum(n - 1 for n in facts.values()),
            wrong + len(facts.keys() - set(self.signals)),
        )  # fmt: skip

    async def _facts(self) -> Counter[str]:
        """How many different facts were said about each event; the same fact sent twice has the same id."""
        values = await read_topic(self.on.kafka.bootstrap, self.prefix + ALERTS.name)
        events = {event.id: event for event in map(decode, values)}
        return Counter(event.data.by for event in events.values() if isinstance(event.data, AlertAcknowledged))

    async def close(self) -> None:
        """Stop the workers; the servers stay for the next case."""
        await asyncio.gather(*(worker.kill() if worker.running else worker.wait() for worker in self.workers))
        await ensure_gone(self.on.postgres, self.database)


async def ensure_gone(postgres: Postgres, database: str) -> None:
    """Drop a case's database."""
    connection = await asyncpg.connect(postgres.superuser_url)
    try:
        await connection.execute(f'drop database if exists "{database}" with (force)')
    finally:
        await connection.close()


@asynccontextmanager
async def world(on: Servers, seed: int, replicas: int = 1) -> AsyncIterator[World]:
    """A case from beginning to end."""
    made = World(on, seed, replicas)
    await made.prepare()
    try:
        yield made
    finally:
        await made.close()
