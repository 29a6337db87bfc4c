"""Runs a service in this process on the real PostgreSQL and Kafka of the test run, and watches it from outside."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

import asyncpg
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.envelope import Event, Payload, decode
from schemas.topics import BY_NAME, Topic
from services.chassis.admin import ensure_topics
from services.chassis.clock import Clock
from services.chassis.service import Process, Service
from services.chassis.serving import http_config, listen
from services.chassis.settings import ServiceSettings
from services.local.ports import free_port
from services.local.roles import ensure_service, role_of
from tests.support.account import TABLES
from tests.support.databases import PASSWORD

SETTLE_SECONDS = 60.0
"""Only what hangs gets there, also on two busy cores; a test has 120 s."""

ACCOUNT_SECONDS = 10.0

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
PayloadT = TypeVar("PayloadT", bound=Payload)


class _Server(uvicorn.Server):
    """A server that leaves signals, and the end of the process, to the test runner."""

    def capture_signals(self) -> Any:
        return nullcontext()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        except (
            SystemExit
        ) as end:  # it would end the process that runs the tests, and say nothing of them
            raise RuntimeError(f"the server ended with {end.code}: its log says why") from end


async def settings_for(
    kind: type[SettingsT], service: str, database: str, bootstrap: str, prefix: str, **more: Any
) -> SettingsT:
    """Settings for a service on a fresh database: its role and schema are made here, its topics too."""
    name = database.rsplit("/", 1)[1]
    await ensure_service(database, name, service, PASSWORD)
    await ensure_topics(bootstrap, BY_NAME.values(), prefix=prefix)
    host = database.split("@", 1)[1]
    values = {
        "postgres_url": f"postgresql://{role_of(service)}:{PASSWORD}@{host}",
        "kafka_bootstrap": bootstrap,
        "topic_prefix": prefix,
        "http_port": free_port(),
        "inside_port": free_port(),
        "operator_token": "operator-for-tests",
        "master_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        **more,
    }
    return kind(**values)


class Running:
    """A service at work, and the test's own connections to its world."""

    def __init__(
        self, process: Process, producer: AIOKafkaProducer, lookout: AIOKafkaConsumer
    ) -> None:
        self.process, self.service = process, process.service
        self._producer, self._lookout = producer, lookout
        settings = process.service.settings
        self.url = f"http://{settings.http_host}:{settings.http_port}"
        self.inside = f"http://{settings.inside_host}:{settings.inside_port}"

    @property
    def runtime(self) -> Any:
        return self.process.runtime

    async def publish(self, *events: Event[Any]) -> None:
        """Write events to their topics, all acknowledged."""
        await self.send(
            *((event.data.topic, event.subject.encode(), event.encode()) for event in events)
        )

    async def send(self, *messages: tuple[Topic, bytes | None, bytes | None]) -> None:
        """Write raw messages, all acknowledged."""
        prefix = self.service.settings.topic_prefix
        sending = [
            await self._producer.send(prefix + topic.name, value=value, key=key)
            for topic, key, value in messages
        ]
        await asyncio.gather(*sending)

    async def sql(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Ask the service's own schema."""
        async with self.runtime.pool.acquire() as db:
            return list(await db.fetch(query, *args))

    async def eventually(
        self, condition: Callable[[], Any], seconds: float = SETTLE_SECONDS
    ) -> Any:
        """Wait until an (async) condition is true; returns what it gave.

        Fails with what the condition is, and where things stand.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (found := await condition()):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            name = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(
                f"{name} did not hold within {seconds:g} s\n{await self.account()}"
            ) from None
        return found

    async def account(self) -> str:
        """What a person would look at first: readiness, offsets, what is left to send and to do."""
        lines = [
            f"problem: {problem}"
            for consumer in self.process.consumers
            for problem in consumer.problems()
        ]
        try:
            async with asyncio.timeout(ACCOUNT_SECONDS):
                lines.append(f"ends: {await self.ends(self._topics())}")
                for name, query in TABLES.items():
                    lines += [f"{name}: {dict(row)}" for row in await self.sql(query)]
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            KafkaError,
            TimeoutError,
        ) as error:
            lines.append(f"a server does not say more: {error!r}")
        return "\n".join(lines)

    async def settled(self) -> None:
        """Wait until everything written is taken, no job is due, and the outbox is empty."""
        await self.wake()
        await self.eventually(self._is_settled)

    async def wake(self) -> None:
        """Let the worker look for due jobs now: nothing tells it that a test has moved the clock."""
        await self.sql("select pg_notify($1, '')", f"vicino_{self.service.name}_jobs")

    async def _is_settled(self) -> bool:
        done = await self.sql(
            "select topic, part, max(next_offset) as n from consumer_offset group by 1, 2"
        )
        if (await self.ends(self._topics())).items() - {
            ((row["topic"], row["part"]), row["n"]) for row in done
        }:
            return False
        now = self.runtime.clock.now()
        waiting = await self.sql(
            "select (select count(*) from outbox) + (select count(*) from job where state = 'waiting' and run_at <= $1) as n",
            now,
        )
        return bool(waiting[0]["n"] == 0)

    def _topics(self) -> set[Topic]:
        return {payload.topic for payload in self.service.routes} | {
            route.topic for route in self.service.slices
        }

    async def ends(self, topics: Iterable[Topic]) -> dict[tuple[str, int], int]:
        """Where partitions end that hold something.

        Asked on a connection of our own: behind the service's fetch an answer takes half a second.
        """
        prefix = self.service.settings.topic_prefix
        parts = [
            TopicPartition(prefix + topic.name, n)
            for topic in topics
            for n in range(topic.partitions)
        ]
        ends = await self._lookout.end_offsets(parts)
        return {
            (tp.topic.removeprefix(prefix), tp.partition): end for tp, end in ends.items() if end
        }

    async def published(self, payload: type[PayloadT]) -> list[Event[PayloadT]]:
        """Everything of a type that is on its topic now, in the order of each partition."""
        events = await self.all_on(payload.topic)
        return [event for event in events if isinstance(event.data, payload)]

    async def all_on(self, topic: Topic) -> list[Event[Any]]:
        """Everything that is on a topic now, in the order of each partition."""
        settings = self.service.settings
        raw = await read_topic(settings.kafka_bootstrap, settings.topic_prefix + topic.name)
        return [decode(value) for value in raw]


async def read_topic(bootstrap: str, topic: str) -> list[bytes]:
    """All values of a topic, to its present end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, n) for n in await _partitions(consumer, topic)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        values: list[bytes] = []
        for tp in parts:
            await consumer.seek_to_beginning(tp)
        while any([await consumer.position(tp) < ends[tp] for tp in parts]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    await consumer._client.force_metadata_update()
    return sorted(consumer.partitions_for_topic(topic) or (await _known(consumer, topic)))


async def _known(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    consumer._client.add_topic(topic)
    while not (found := consumer.partitions_for_topic(topic)):
        await consumer._client.force_metadata_update()
    return set(found)


@asynccontextmanager
async def running(service: Service, clock: Clock | None = None) -> AsyncIterator[Running]:
    """Start a service, wait until it is ready, and stop it at the end."""
    ended: list[str] = []
    process = Process(
        replace(service, clock=clock) if clock else service, end=lambda: ended.append(service.name)
    )
    settings = service.settings
    server = _Server(http_config(process.app, settings))
    sockets = listen(settings, service.api is not None)
    serving = asyncio.create_task(server.serve(sockets))
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True
    )
    lookout = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while not server.started and not serving.done():
                await asyncio.sleep(0.02)
            while not serving.done() and any(consumer.problems() for consumer in process.consumers):
                await asyncio.sleep(0.02)
        if serving.done():
            raise RuntimeError("the service did not start") from serving.exception()
        await asyncio.gather(producer.start(), lookout.start())
        yield Running(process, producer, lookout)
    finally:
        await asyncio.gather(producer.stop(), lookout.stop())
        server.should_exit = True
        await serving
        assert not ended, f"{service.name} ended itself: its log says why"
