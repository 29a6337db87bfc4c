"""Servers and workers that may be killed, paused and cut, and the count of what was lost, doubled or wrong at the end."""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.alerts import AlertAcknowledged
from schemas.envelope import Event, decode
from schemas.signals import AcknowledgementGiven
from schemas.topics import ALERTS, BY_NAME, SIGNALS, USAGE
from schemas.usage import UsageRecorded
from services.billing.app import MIGRATIONS
from services.chassis.admin import ensure_topics, remove_topics
from services.chassis.migrate import migrate
from services.local.home import CHECKOUT
from services.local.kafka import Kafka
from services.local.ports import free_port
from services.local.postgres import Postgres
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of
from tests.faults import verdict
from tests.faults.standing import Standing, above_zero, account
from tests.faults.verdict import Count, Sent
from tests.support.databases import PASSWORD
from tests.support.furnishing import furnish, meter_key, service_id, tenant_id
from tests.support.running import read_topic

NAME = "billing"
READS = (SIGNALS, USAGE)
TENANTS = 40
EFFECTS = Path(__file__).with_name("effects.sql")
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
EVENTS = 150
SETTLE_SECONDS = 60.0
SESSION_MS = 6000
ANSWER = aiohttp.ClientTimeout(total=5)
Message: TypeAlias = tuple[str, bytes, bytes]
"""Topic, key, value."""

Raw: TypeAlias = tuple[str, bytes | None, bytes | None, list[tuple[str, Any]]]
"""Topic, key, value, headers."""


class Impossible(RuntimeError):
    """This fault cannot be made on this machine; says why."""


@dataclass
class Servers:
    """A PostgreSQL and a Kafka of one's own, to be ill-treated."""

    home: Path
    postgres: Postgres
    kafka: Kafka


@asynccontextmanager
async def servers(
    home: Path, nodes: int = 1, postgres_settings: dict[str, str] | None = None, **settings: str
) -> AsyncIterator[Servers]:
    """Start servers in a folder; `settings` are Kafka's."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    postgres, kafka = await asyncio.gather(
        Postgres.start(
            home / "postgres", log=home / "logs/postgres.log", settings=postgres_settings
        ),
        Kafka.start(home / "kafka", nodes=nodes, settings=settings),
    )
    try:
        yield Servers(home, postgres, kafka)
    finally:
        await asyncio.gather(postgres.stop(), kafka.stop())


Case: TypeAlias = Callable[[Servers, int], Awaitable[Count]]
"""Does a fault to servers, from a seed, and counts."""


class World:
    """One case: a database and topics of its own, workers, and what was sent."""

    def __init__(self, on: Servers, seed: int, replicas: int = 1, tablespace: str = "") -> None:
        self.on, self.dice, self.replicas, self.tablespace = (
            on,
            random.Random(seed),
            replicas,
            tablespace,
        )
        self.prefix = f"f{uuid4().hex[:8]}."
        self.database = f"fault_{uuid4().hex[:8]}"
        self.workers: list[Child] = []
        self.sent = Sent()
        self.messages: list[Message] = []
        self.places: dict[tuple[int, int], str] = {}
        """Where Kafka has each usage event that was sent by `send`: id by partition and offset."""
        self._http: dict[int, str] = {}
        self._start = datetime.now(UTC) - timedelta(days=2)

    async def prepare(self) -> None:
        """Make the database, what billing must know, and the topics."""
        await ensure_database(self.on.postgres.superuser_url, self.database)
        if self.tablespace:
            await as_superuser(
                self.on.postgres,
                f'alter database "{self.database}" set tablespace {self.tablespace}',
            )
        url = self.on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{self.database}"
        await ensure_service(url, self.database, NAME, PASSWORD)
        await migrate(self.url, NAME, MIGRATIONS)
        async with self.connected() as db:
            await db.execute(EFFECTS.read_text(encoding="utf-8"))
            await furnish(db, TENANTS, meters=1)
        await self.make_topics()

    @asynccontextmanager
    async def connected(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection that sees what the workers see."""
        connection = await asyncpg.connect(
            self.url, timeout=3, server_settings={"search_path": NAME}
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def make_topics(self) -> None:
        """Make the topics that are not there."""
        await ensure_topics(
            self.on.kafka.bootstrap, BY_NAME.values(), prefix=self.prefix, replicas=self.replicas
        )

    @property
    def url(self) -> str:
        """The workers' DSN."""
        return self.on.postgres.url(role_of(NAME), PASSWORD, self.database)

    async def start_worker(
        self, failpoint: str = "", instance: str | None = None, **more: str
    ) -> Child:
        """Start a worker process; `more` are further settings."""
        port = free_port()
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("VICINO_")
        }
        environment |= {
            "VICINO_POSTGRES_URL": self.url,
            "VICINO_KAFKA_BOOTSTRAP": self.on.kafka.bootstrap,
            "VICINO_TOPIC_PREFIX": self.prefix,
            "VICINO_INSIDE_PORT": str(port),
            "VICINO_HTTP_PORT": str(free_port()),
            "VICINO_SESSION_TIMEOUT_MS": str(SESSION_MS),
            "VICINO_SLICE_RECORDS_MAX": "40",
            "VICINO_VOLUME_SLICE_RECORDS_MAX": "60",
            "VICINO_OPERATOR_TOKEN": "operator-for-tests",
            "VICINO_MASTER_KEY": MASTER_KEY,
            **more,
            **({"VICINO_FAILPOINT": failpoint} if failpoint else {}),
            **({"VICINO_INSTANCE": instance} if instance else {}),
        }
        log = self.on.home / "logs" / f"{self.prefix}worker.log"
        command = [sys.executable, "-m", "tests.faults.worker"]
        worker = await Child.start("worker", command, log=log, env=environment, cwd=CHECKOUT)
        self.workers.append(worker)
        self._http[worker.pid] = f"http://127.0.0.1:{port}"
        return worker

    def signal(self) -> Message:
        """One more signal."""
        event_id = f"s{len(self.sent.signals)}"
        self.sent.signals.append(event_id)
        data = AcknowledgementGiven(alert_id=str(UUID(int=self.dice.getrandbits(128))), by="desk")
        return self._encoded(event_id, self.dice.randrange(TENANTS), data, self._start)

    def usage_event(self) -> Message:
        """One more usage event."""
        event_id, tenant, quantity = (
            f"u{len(self.sent.usage)}",
            self.dice.randrange(TENANTS),
            self.dice_quantity(),
        )
        self.sent.usage[event_id] = tenant, quantity
        return self.usage_of(event_id, tenant, quantity)

    def dice_quantity(self) -> Decimal:
        """Any quantity."""
        return Decimal(self.dice.randrange(1, 10**8)) / 1000

    def usage_of(self, event_id: str, tenant: int, quantity: Decimal) -> Message:
        """A usage event as said."""
        values = {
            "service_id": service_id(tenant),
            "meter": meter_key(0),
            "quantity": format(quantity, "f"),
        }
        at = self._start + timedelta(seconds=self.dice.randrange(86_400))
        return self._encoded(event_id, tenant, UsageRecorded.model_validate(values), at)

    @staticmethod
    def _encoded(event_id: str, tenant: int, data: Any, at: datetime) -> Message:
        event = Event(event_id, "/faults", data.wire_type, tenant_id(tenant), at, data)
        return data.topic.name, tenant_id(tenant).encode(), event.encode()

    async def send(self, n: int, pace_seconds: float = 0.0) -> None:
        """Send `n` signals and `n` usage events, each accepted exactly once by Kafka, whatever happens to it."""
        async with self.producer() as producer:
            for _ in range(n):
                for message in (self.signal(), self.usage_event()):
                    await self.send_one(producer, message)
                await asyncio.sleep(pace_seconds)

    async def send_one(self, producer: AIOKafkaProducer, message: Message) -> None:
        """Send until Kafka has it: what is accepted is what counts."""
        self.messages.append(message)
        topic, key, value = message
        while True:
            try:
                placed = await producer.send_and_wait(self.prefix + topic, key=key, value=value)
                break
            except KafkaError:
                await asyncio.sleep(0.2)
        if topic == USAGE.name:
            self.places[(placed.partition, placed.offset)] = msgspec.json.decode(value)["id"]

    async def send_bomb(self, value: bytes, compression: str) -> int:
        """Send a value that is small only on the wire to partition 0 of usage; returns its offset."""
        async with self.producer(compression_type=compression, max_request_size=2**30) as producer:
            return int(
                (
                    await producer.send_and_wait(self.prefix + USAGE.name, value=value, partition=0)
                ).offset
            )

    async def send_raw(self, records: Sequence[Raw], compression: str | None = None) -> None:
        """Send records as they are, in order, to partition 0."""
        async with self.producer(compression_type=compression) as producer:
            sending = [
                await producer.send(
                    self.prefix + topic, key=key, value=value, headers=headers, partition=0
                )
                for topic, key, value, headers in records
            ]
            await asyncio.gather(*sending)

    @asynccontextmanager
    async def producer(self, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
        """An idempotent producer."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.on.kafka.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            retry_backoff_ms=200,
            **more,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def replay(self) -> None:
        """Write everything that was sent once more."""
        async with self.producer() as producer:
            for topic, key, value in self.messages:
                await producer.send(self.prefix + topic, key=key, value=value)
            await producer.flush()

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until all that is in Kafka was taken, and nothing is left to do. Raises `TimeoutError`, and prints why."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._is_settled():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            print(await account(self._about()), flush=True)
            raise

    def _about(self) -> Standing:
        return Standing(
            self.workers,
            self._get,
            self._ends,
            self.connected,
            self.on.home / f"logs/{self.prefix}worker.log",
        )

    async def until_metric(self, name: str, label: str = "") -> None:
        """Wait until a worker's metric, of a label if said, is above zero."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while not any(
                [above_zero(await self._get(pid, "/metrics"), name, label) for pid in self._http]
            ):
                await asyncio.sleep(0.1)

    async def until_problem(self, worker: Child, text: str) -> str:
        """Wait until a worker says that it is not ready, and why; returns what it said."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while text not in (said := await self._get(worker.pid, "/readyz")):
                await asyncio.sleep(0.1)
        return said

    async def _get(self, pid: int, path: str) -> str:
        try:
            async with (
                aiohttp.ClientSession(timeout=ANSWER) as session,
                session.get(self._http[pid] + path) as response,
            ):
                return await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return ""

    async def _is_settled(self) -> bool:
        try:
            ends = await self._ends()
            async with self.connected() as db:
                rows = await db.fetch(
                    "select topic, part, next_offset from consumer_offset order by updated_at"
                )
                left = await db.fetchval(
                    "select (select count(*) from outbox) + (select count(*) from job where kind = 'call')"
                )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, TimeoutError):
            return False
        done = {(row["topic"], row["part"]): row["next_offset"] for row in rows}
        return left == 0 and all(done.get(key, 0) >= end for key, end in ends.items())

    async def _ends(self) -> dict[tuple[str, int], int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.on.kafka.bootstrap)
        await consumer.start()
        try:
            parts = [
                TopicPartition(self.prefix + topic.name, n)
                for topic in READS
                for n in range(topic.partitions)
            ]
            ends = await asyncio.wait_for(consumer.end_offsets(parts), 10)
            return {
                (tp.topic.removeprefix(self.prefix), tp.partition): end for tp, end in ends.items()
            }
        finally:
            await consumer.stop()

    async def count(self) -> Count:
        """Compare what was sent with what happened."""
        async with self.connected() as db:
            found = await self.effects(db)
        return found + verdict.of_ids(await self._facts(), self.sent.signals)

    async def effects(self, db: Any) -> Count:
        """The same, in the database alone."""
        found = await verdict.of_effects(db, "record_effect", self.sent.signals)
        found += await verdict.of_effects(db, "job_effect", self.sent.signals)
        found += await verdict.of_usage(db, self.sent.usage)
        return found + await verdict.of_rejects(db, self.sent.rejects)

    async def _facts(self) -> Counter[str]:
        """How many different facts were said about each event; the same fact sent twice has the same id."""
        values = await read_topic(self.on.kafka.bootstrap, self.prefix + ALERTS.name)
        events = {event.id: event for event in map(decode, values)}
        return Counter(
            event.data.by for event in events.values() if isinstance(event.data, AlertAcknowledged)
        )

    async def close(self) -> None:
        """Stop the workers; the servers stay for the next case."""
        await asyncio.gather(
            *(worker.kill() if worker.running else worker.wait() for worker in self.workers)
        )
        await as_superuser(
            self.on.postgres, f'drop database if exists "{self.database}" with (force)'
        )
        # Ten runs leave some thousand topics behind: then the broker is too slow to make more.
        await remove_topics(self.on.kafka.bootstrap, BY_NAME.values(), prefix=self.prefix)


async def as_superuser(postgres: Postgres, statement: str, *args: Any) -> None:
    """Run a statement on a case's server."""
    connection = await asyncpg.connect(postgres.superuser_url)
    try:
        await connection.execute(statement, *args)
    finally:
        await connection.close()


@asynccontextmanager
async def world(
    on: Servers, seed: int, replicas: int = 1, tablespace: str = ""
) -> AsyncIterator[World]:
    """A case from beginning to end."""
    made = World(on, seed, replicas, tablespace)
    try:
        await made.prepare()
        yield made
    finally:
        await made.close()


async def finish(case: World) -> Count:
    """Let everything settle, and count."""
    began = time.monotonic()
    await case.settle()
    rest = Count(rest_seconds=time.monotonic() - began)
    return rest + await case.count()
