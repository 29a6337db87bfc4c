"""A service: what it consists of, and how it starts, runs and stops."""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker

import schemas.events  # noqa: F401 - loads every payload into the registry that events are read with
from schemas.topics import Topic
from services.chassis import health, logs, metrics, rejects, store
from services.chassis.clock import Clock, clock_from
from services.chassis.database import Connection, Pool
from services.chassis.engine.client import Subscription
from services.chassis.engine.consumer import Consumer
from services.chassis.engine.logbook import Logbook
from services.chassis.engine.partition import Partition, by_record, by_slice
from services.chassis.engine.records import Routes
from services.chassis.engine.returning import Returning
from services.chassis.engine.slices import SliceRoute
from services.chassis.health import AsgiApp
from services.chassis.jobs import JobHandler, WorkerContext
from services.chassis.migrate import migrated_pool
from services.chassis.outbox import Relay
from services.chassis.producer import LZ4, UNPACKED, Producer
from services.chassis.serving import START_FAILED, CannotListen, Ports, Server, http_config, listen
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Cause, Unit, transaction
from services.chassis.wakeups import Wakeups
from services.chassis.worker import Worker

GRACEFUL_SECONDS = 6.0
"""For slices and jobs in flight at a stop, side by side."""

GC_ALLOCATIONS = 200_000
METADATA_MAX_AGE_MS = 5_000
"""How soon a consumer notices that a topic is there again, or has more partitions; five minutes by default."""

INBOX_DAYS = 90
"""How long ids of events acted on are kept: beyond any retention of a topic that record handlers read again."""

MEASURE_EVERY_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 3600.0
PRUNE_ROWS_MAX = 10_000
"""Of one statement: a copy of the service that was down for weeks has millions to drop, and each statement has 30 s."""


log = logs.logger(__name__)


@dataclass
class Runtime:
    """What a running service has: given to its API and its background tasks."""

    settings: ServiceSettings
    service: str
    pool: Pool
    clock: Clock
    producer: Producer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def unit(self, cause: str) -> AbstractAsyncContextManager[Unit]:
        """A transaction of its own, for an HTTP request. `cause` seeds the ids of what it says: make it unique."""
        return transaction(self.pool, self.service, self.clock, Cause(cause))


@dataclass(frozen=True)
class Service:
    """The parts of a service, put together in its `app.py`. `name` is its schema, its consumer group and its role."""

    name: str
    settings: ServiceSettings
    migrations: Path
    routes: Routes = field(default_factory=dict)
    slices: Sequence[SliceRoute] = ()
    jobs: Sequence[JobHandler] = ()
    api: Callable[[Runtime], AsgiApp] | None = None
    background: Sequence[Callable[[Runtime], Awaitable[None]]] = ()
    clock: Clock | None = None
    """In place of the settings' clock, for tests."""


def _stop_process() -> None:
    signal.raise_signal(signal.SIGTERM)


class Process:
    """A service at work: `app` is an ASGI app whose lifespan is the service's life."""

    def __init__(self, service: Service, end: Callable[[], None] = _stop_process) -> None:
        """`end` is called when the service cannot go on: the process stops, to be started again."""
        self.service = service
        self._end, self._ending = end, False
        self._broker = _broker(service)
        self._api: AsgiApp | None = None
        self._checks: list[health.Problems] = []
        self._starting: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self.consumers: list[Consumer] = []
        self._app = AsgiFastStream(
            self._broker,
            logger=None,
            lifespan=self._life,
            asgi_routes=health.endpoints(
                lambda: self.runtime.pool, service.settings.postgres_url, lambda: self._checks
            ),
            on_shutdown=[self._stop_taking],
        )
        self.app = Ports(self._inside, service.settings.inside_port, lambda: self._api)
        self.runtime: Runtime

    async def _inside(self, scope: "object", receive: "object", send: "object") -> None:
        """The lifespan, and what the chassis answers on the inside's port."""
        try:
            await self._app(scope, receive, send)  # type: ignore[arg-type]
        except Exception:
            # FastStream goes on starting after the server has begun to answer. Whatever fails there must end the process: it
            # would answer, and do nothing.
            log.critical("the service cannot live", exc_info=True)
            self._end()
            raise

    def give_up_starting(self) -> None:
        """Stop waiting for servers that are not there. May be called from a signal handler."""
        if self._starting is not None:
            self._starting.get_loop().call_soon_threadsafe(self._starting.cancel)

    async def _stop_taking(self) -> None:
        self._ending = True
        self.runtime.stopping.set()
        jobs = [self._worker.stop()] if self._worker else []
        try:
            async with asyncio.timeout(GRACEFUL_SECONDS):
                await asyncio.gather(
                    *(consumer.stop_taking() for consumer in self.consumers), *jobs
                )
        except TimeoutError:
            log.warning("what is in flight is given up; the next copy does it again")
        for consumer in self.consumers:
            consumer.close()
        await asyncio.gather(*(consumer.leave() for consumer in self.consumers))

    @asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        """Everything but the consumers, which FastStream starts inside and stops first."""
        service, settings = self.service, self.service.settings
        self._starting = asyncio.current_task()
        async with AsyncExitStack() as life:
            pool = await migrated_pool(
                settings.postgres_url, service.name, service.migrations, settings.pool_size_max
            )
            life.push_async_callback(_close, pool)
            relays, doors = (
                Producer(
                    settings.kafka(),
                    settings.topic_prefix,
                    f"vicino-{service.name}-{name}",
                    packing,
                )
                for name, packing in (("relay", LZ4), ("doors", UNPACKED))
            )
            await relays.start()
            life.push_async_callback(relays.stop)
            life.push_async_callback(doors.stop)
            clock = service.clock or clock_from(settings.clock_file)
            self.runtime = Runtime(settings, service.name, pool, clock, doors)
            if service.api is not None:
                self._api = service.api(self.runtime)
            self.consumers = self._consumers()
            # Consumers start by themselves, as tasks: they need the broker's logger before FastStream starts the broker.
            await self._broker.connect()
            self._start_workers(life, relays)
            self._starting = None
            # What is there now stays: a full collection that walks through all of it stops every request for 0.1 s.
            gc.collect()
            gc.freeze()
            life.callback(gc.unfreeze)
            yield

    def _start_workers(self, life: AsyncExitStack, producer: Producer) -> None:
        service, runtime = self.service, self.runtime
        wakeups = Wakeups(service.settings.postgres_url, service.name, ("outbox", "jobs"))
        relay = Relay(runtime.pool, producer, wakeups)
        self._worker = worker = Worker(
            WorkerContext(runtime.pool, service.name, runtime.clock), service.jobs, wakeups
        )
        self._checks = [wakeups.problems, relay.problems, worker.problems]
        self._checks += [client.problems for client in (producer, runtime.producer)]
        self._checks += [consumer.problems for consumer in self.consumers]
        tasks = [wakeups.run(), relay.run(), worker.run(), _keep_house(runtime)]
        if service.routes:
            wait = service.settings.parked_seconds_max
            tasks.append(
                Returning(runtime.pool, service.name, runtime.clock, service.routes, wait).run()
            )
        tasks += [consumer.attend() for consumer in self.consumers]
        tasks += [client.attend() for client in (producer, runtime.producer)]
        running = [asyncio.create_task(task) for task in tasks]
        for task in running:
            task.add_done_callback(self._must_not_end)
        for work in service.background:
            running.append(once := asyncio.ensure_future(work(runtime)))
            once.add_done_callback(partial(self._must_not_end, may_return=True))
        life.push_async_callback(self._cancel, running)

    def _must_not_end(self, task: "asyncio.Future[None]", *, may_return: bool = False) -> None:
        """A task that ends before its service does is a bug: say so loudly, and stop, to be started again."""
        if self._ending:
            return
        error = None if task.cancelled() else task.exception()
        if error is None and may_return and not task.cancelled():
            return
        why = "cancelled" if task.cancelled() else repr(error) if error else "it returned"
        log.critical("a background task ended", task=repr(task), error=why, exc_info=error)
        self._end()

    async def _cancel(self, tasks: "Sequence[asyncio.Future[None]]") -> None:
        self._ending = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _consumers(self) -> list[Consumer]:
        """Record handlers under the service's name; slice handlers beside them, so that volume delays no fact."""
        service, runtime = self.service, self.runtime
        logbook = Logbook(service.settings.kafka())
        found = []
        if service.routes:
            topics = tuple({payload.topic: None for payload in service.routes})
            take = by_record(service.routes)
            wait = service.settings.parked_seconds_max
            partition = Partition(runtime.pool, service.name, runtime.clock, take, wait)
            reading = _reading(service, service.name, topics, service.settings.slice_records_max)
            found.append(Consumer(reading, self._broker, logbook, partition))
        if service.slices:
            handlers = {route.topic.name: route.handler for route in service.slices}
            partition = Partition(runtime.pool, service.name, runtime.clock, by_slice(handlers))
            topics = tuple(route.topic for route in service.slices)
            reading = _reading(
                service, f"{service.name}-volume", topics, service.settings.volume_slice_records_max
            )
            reading = replace(reading, gather_ms=service.settings.volume_gather_ms)
            found.append(Consumer(reading, self._broker, logbook, partition))
        return found


class _Broker(KafkaBroker):
    """Leaves its subscribers alone: each consumer starts its own, and waits for Kafka where FastStream would end the process."""

    async def start(self) -> None:
        """Be at work, without a client yet."""
        await self.connect()
        self.running = True


def _broker(service: Service) -> KafkaBroker:
    return _Broker(
        service.settings.kafka_bootstrap.split(","),
        security=service.settings.kafka().faststream(),
        client_id=f"vicino-{service.name}",
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=GRACEFUL_SECONDS,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        logger=logging.getLogger("faststream"),
    )


def _reading(
    service: Service, group: str, topics: tuple[Topic, ...], records_max: int
) -> Subscription:
    settings = service.settings
    return Subscription(
        settings.topic_prefix + group,
        topics,
        records_max,
        settings.instance,
        settings.session_timeout_ms,
        settings.topic_prefix,
    )


async def _keep_house(runtime: Runtime) -> None:
    """Measure what waits and what is kept; drop rejects, and ids beyond the inbox's window, when their time is over."""
    pruned = 0.0
    while True:
        await asyncio.sleep(MEASURE_EVERY_SECONDS)
        try:
            async with runtime.pool.acquire() as db:
                metrics.OUTBOX_WAITING.set(await store.outbox_size(db))
                counts = await store.job_counts(db, runtime.clock.now())
                # Kinds whose jobs have all ended are in no row: their gauges go.
                for gauge in (metrics.JOBS_WAITING, metrics.JOBS_OVERDUE, metrics.JOBS_FAILING):
                    gauge.clear()
                for row in counts:
                    metrics.JOBS_OVERDUE.labels(row["kind"]).set(row["overdue_seconds"])
                    metrics.JOBS_FAILING.labels(row["kind"]).set(row["failing_seconds"])
                    for state in ("due", "later", "failed"):
                        metrics.JOBS_WAITING.labels(row["kind"], state).set(row[state])
                await rejects.measure(db, runtime.settings.refused_days)
                if time.monotonic() - pruned > PRUNE_EVERY_SECONDS:
                    await prune(db)
                    await rejects.prune(db, runtime.settings.refused_days)
                    pruned = time.monotonic()
        except Exception as error:  # noqa: BLE001 - measuring is not worth a restart; readiness reports the database
            log.warning("cannot measure", error=repr(error))


async def prune(db: Connection) -> None:
    """Drop ids beyond the inbox's window."""
    gone = PRUNE_ROWS_MAX
    while gone == PRUNE_ROWS_MAX:
        gone = await store.prune_inbox(db, INBOX_DAYS, PRUNE_ROWS_MAX)
    await store.end_keys_before(db, INBOX_DAYS)


async def _close(pool: Pool) -> None:
    """Close the pool, but not for ever: an unavailable server cannot say goodbye."""
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def run(service: Service) -> None:
    """Run a service until SIGTERM or SIGINT; stops within 15 s. Exits with 3 when it could not start."""
    settings = service.settings
    logs.configure(service.name, settings.log_level)
    # A slice is tens of thousands of small objects that live for milliseconds: at its default the collector walks them
    # over and over (a fifth of the time of counting usage). What is loaded by now will never be garbage.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    try:
        sockets = listen(settings, service.api is not None)
    except CannotListen as error:
        log.critical("the service cannot start", error=str(error))
        sys.exit(START_FAILED)
    process = Process(service)
    Server(http_config(process.app, settings), process.give_up_starting).run(sockets)
