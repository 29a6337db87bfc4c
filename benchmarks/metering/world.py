"""The world of the metering benchmark: tenants, services and topics full of usage, made ready without being measured."""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.metering.profile import Processor
from schemas.topics import BY_NAME, USAGE
from services.billing.app import MIGRATIONS
from services.chassis.admin import ensure_topics
from services.chassis.migrate import migrate
from services.local.ports import free_port
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of
from tests.faults.servers import Servers
from tests.support.furnishing import furnish, meter_key, service_id, tenant_id

NAME = "billing"
PASSWORD = "only-for-benchmarks"
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CHECKOUT = Path(__file__).parents[2]
TENANTS, METERS = 500, 3
SEED = 20261101
WAIT_SECONDS = 600.0


def usage(n: int, start: datetime, dice: random.Random, poison: float = 0.0) -> tuple[int, bytes]:
    """Event `n`: its tenant's number and its bytes, about 370 of them, as the doors write them."""
    tenant = dice.randrange(TENANTS)
    at = start + timedelta(
        milliseconds=n, seconds=dice.randrange(60), microseconds=dice.randrange(1_000_000)
    )
    event = {
        "specversion": "1.0", "id": str(UUID(int=dice.getrandbits(128))), "source": "/bench", "type": "vicino.usage.recorded.v1",
        "subject": tenant_id(tenant), "time": at.isoformat().replace("+00:00", "Z"), "datacontenttype": "application/json",
        "principal": "backend", "revision": 1,
        "data": {
            "service_id": service_id(tenant), "meter": meter_key(n % METERS), "quantity": f"{dice.randrange(1, 100_000) / 100}",
        },
    }  # fmt: skip
    return tenant, b"{not json" if poison and dice.random() < poison else msgspec.json.encode(event)


def events(count: int, seed: int, poison: float = 0.0) -> list[tuple[int, bytes]]:
    """A run's events: a thousand a second, not quite in order, the last of them now; the same for the same seed."""
    dice, start = random.Random(seed), datetime.now(UTC) - timedelta(milliseconds=count, minutes=1)
    return [usage(n, start, dice, poison) for n in range(count)]


class World:
    """One database and one set of topics."""

    def __init__(self, on: Servers, database: str, prefix: str) -> None:
        self.on, self.database, self.prefix = on, database, prefix
        self.superuser_url = on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{database}"
        self.url = on.postgres.url(role_of(NAME), PASSWORD, database)
        self._sent: dict[int, list[float]] = {part: [] for part in range(USAGE.partitions)}

    async def prepare(self) -> None:
        """The schema, the topics, and what counting must know: meters, a plan, tenants, a service each."""
        await ensure_database(self.on.postgres.superuser_url, self.database)
        await ensure_service(self.superuser_url, self.database, NAME, PASSWORD)
        await self.prepare_topics()
        await migrate(self.url, NAME, MIGRATIONS)
        async with self.connected() as db:
            await furnish(db, TENANTS, METERS)

    async def prepare_topics(self) -> None:
        """The topics alone."""
        await ensure_topics(self.on.kafka.bootstrap, BY_NAME.values(), prefix=self.prefix)

    @asynccontextmanager
    async def connected(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection that sees billing's schema."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": NAME})
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.on.kafka.bootstrap, acks="all", enable_idempotence=True, linger_ms=5,
            max_batch_size=262_144,
        )  # fmt: skip
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def produce(self, found: Sequence[tuple[int, bytes]]) -> None:
        """Put events on the topic, tenant by tenant on its partition."""
        topic = self.prefix + USAGE.name
        async with self._producer() as producer:
            for tenant, raw in found:
                await producer.send(
                    topic,
                    key=tenant_id(tenant).encode(),
                    value=raw,
                    partition=tenant % USAGE.partitions,
                )

    async def produce_at(self, found: Sequence[tuple[int, bytes]], rate: int) -> None:
        """The same at a steady rate, in portions of ten milliseconds; notes when each partition got how far."""
        topic, portion = self.prefix + USAGE.name, rate // 100
        began = time.perf_counter()
        async with self._producer() as producer:
            for n in range(0, len(found), portion):
                await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
                sent_at = time.perf_counter()
                for tenant, raw in found[n : n + portion]:
                    part = tenant % USAGE.partitions
                    await producer.send(
                        topic, key=tenant_id(tenant).encode(), value=raw, partition=part
                    )
                    self._sent[part].append(sent_at)

    async def watch(self, db: Any, latencies_ms: list[float], until: int) -> None:
        """Note of each record sent by `produce_at` how long it took to be committed, by looking every few milliseconds."""
        query = "select part, next_offset from consumer_offset where topic = $1"
        before = {row["part"]: row["next_offset"] for row in await db.fetch(query, USAGE.name)}
        done = dict.fromkeys(range(USAGE.partitions), 0)
        while sum(before.values()) + sum(done.values()) < until:
            await asyncio.sleep(0.005)
            for row in await db.fetch(query, USAGE.name):
                part, now = row["part"], time.perf_counter()
                reached = row["next_offset"] - before.get(part, 0)
                latencies_ms += [
                    (now - sent_at) * 1000 for sent_at in self._sent[part][done[part] : reached]
                ]
                done[part] = reached

    async def worker(self, **more: str) -> Child:
        """Billing, in a process of its own."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("VICINO_")
        }
        environment |= {
            "VICINO_POSTGRES_URL": self.url, "VICINO_KAFKA_BOOTSTRAP": self.on.kafka.bootstrap,
            "VICINO_TOPIC_PREFIX": self.prefix, "VICINO_INSIDE_PORT": str(free_port()), "VICINO_HTTP_PORT": str(free_port()),
            "VICINO_SESSION_TIMEOUT_MS": "6000",
            "VICINO_OPERATOR_TOKEN": "operator-for-benchmarks", "VICINO_MASTER_KEY": MASTER_KEY,
            "VICINO_LOG_LEVEL": "WARNING", **more,
        }  # fmt: skip
        command = [sys.executable, "-m", "services.cli", "serve", NAME]
        return await Child.start(
            NAME,
            command,
            log=self.on.home / "logs" / f"{self.prefix}log",
            env=environment,
            cwd=CHECKOUT,
        )

    async def until(
        self, db: Any, offsets: int, after: int = 1, workers: Sequence[Child] = ()
    ) -> tuple[float, dict[str, float]]:
        """Wait until so many records are committed; returns events per second from `after` on, and who spent how much CPU."""
        began = time.perf_counter()
        first = first_at = 0.0
        spent = Processor([])
        while time.perf_counter() - began < WAIT_SECONDS:
            done = await db.fetchval(
                "select coalesce(sum(next_offset), 0)::bigint from consumer_offset"
            )
            now = time.perf_counter()
            if done >= after and not first:
                first, first_at = float(done), now
                spent = Processor([worker.pid for worker in workers])
            if done >= offsets:
                return (offsets - first) / max(now - first_at, 1e-9), spent.per_event(
                    max(offsets - first, 1)
                )
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{offsets} records were not counted within {WAIT_SECONDS:.0f} s")


async def outcome(db: Any) -> dict[str, int]:
    """The account: what became of every record."""
    found = await db.fetch("select outcome, sum(n)::bigint as n from usage_tally group by outcome")
    return {row["outcome"]: int(row["n"]) for row in found}


async def check(db: Any, counted: int) -> None:
    """Counts must be right after every run. Raises `AssertionError`."""
    told = (await outcome(db)).get("counted", 0)
    buckets = await db.fetchval("select coalesce(sum(n), 0)::bigint from meter_bucket")
    kept = await db.fetchval(
        "select coalesce(sum((select sum(x) from unnest(ns) x)), 0)::bigint from usage_block"
    )
    if not counted == told == buckets == kept:
        raise AssertionError(f"{counted} events: account {told}, buckets {buckets}, blocks {kept}")


def memory_mb(child: Child) -> float:
    """Resident memory of a worker in MiB."""
    return float(psutil.Process(child.pid).memory_info().rss) / 2**20
