"""Servers and workers that may be killed, paused and cut, and the count of what was lost, doubled or wrong at the end."""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.alerts import AlertAcknowledged
from schemas.envelope import decode
from schemas.topics import ALERTS, BY_NAME, SIGNALS, USAGE
from services.billing.app import MIGRATIONS
from services.chassis.admin import ensure_topics, remove_topics
from services.chassis.migrate import migrate
from services.local.home import CHECKOUT
from services.local.ports import free_port
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of
from tests.faults import verdict
from tests.faults.sending import TENANTS, Sending
from tests.faults.servers import Servers, as_superuser
from tests.faults.standing import Standing, above_zero, account
from tests.faults.verdict import Count
from tests.support.databases import PASSWORD
from tests.support.furnishing import furnish
from tests.support.running import read_topic

NAME = "billing"
READS = (SIGNALS, USAGE)
EFFECTS = Path(__file__).with_name("effects.sql")
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
EVENTS = 150
SETTLE_SECONDS = 60.0
SESSION_MS = 6000
ANSWER = aiohttp.ClientTimeout(total=5)
Case: TypeAlias = Callable[[Servers, int], Awaitable[Count]]
"""Does a fault to servers, from a seed, and counts."""


class World(Sending):
    """One case: a database and topics of its own, workers, and what was sent."""

    def __init__(self, on: Servers, seed: int, replicas: int = 1, tablespace: str = "") -> None:
        super().__init__(on.kafka.bootstrap, f"f{uuid4().hex[:8]}.", random.Random(seed))
        self.on, self.replicas, self.tablespace = on, replicas, tablespace
        self.database = f"fault_{uuid4().hex[:8]}"
        self.workers: list[Child] = []
        self._http: dict[int, str] = {}

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
