"""A Kafka client that breaks in the middle of a request, or whose own task dies, is replaced; work goes on."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import Sender
from confluent_kafka.admin import AdminClient

from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis import metrics
from services.chassis.admin import ensure_topics
from services.chassis.engine.logbook import UNANSWERED_SECONDS, Logbook
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Unit
from tests.integration.chassis.test_engine_smoke import heartbeat
from tests.support.databases import refusing
from tests.support.running import Running, running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"
CONSUMER, RELAY, DOORS = "vicino-monitoring", "vicino-monitoring-relay", "vicino-monitoring-doors"
REQUESTS = {
    "Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9,
    "FindCoordinator": 10, "JoinGroup": 11, "Heartbeat": 12, "SyncGroup": 14, "InitProducerId": 22,
}  # fmt: skip
OF_A_CONSUMER = (
    "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "FindCoordinator", "JoinGroup", "Heartbeat", "SyncGroup",
)  # fmt: skip


class Fault:
    """Something that goes wrong once."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()

    def once(self, error: Exception) -> None:
        if not self.happened.is_set():
            self.happened.set()
            raise error


@contextmanager
def closed_transport(client_id: str, request: str) -> Iterator[Fault]:
    """The next request of a kind and a client meets a transport that is closed already, as uvloop says it."""
    fault, write = Fault(), asyncio.StreamWriter.write

    def broken(self: asyncio.StreamWriter, data: bytes) -> None:
        if len(data) > 14 and _sender_and_kind(data) == (client_id, REQUESTS[request]):
            fault.once(
                RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")
            )
        write(self, data)

    with patch.object(asyncio.StreamWriter, "write", broken):
        yield fault


def _sender_and_kind(data: bytes) -> tuple[str, int]:
    kind, length = struct.unpack(">h", data[4:6])[0], struct.unpack(">h", data[12:14])[0]
    return data[14 : 14 + max(0, length)].decode(errors="replace"), kind


@contextmanager
def dying_task(owner: type, method: str, is_meant: Callable[[Any], bool]) -> Iterator[Fault]:
    """A step of a client's own background task fails once, with an error that nobody expects."""
    fault, step = Fault(), getattr(owner, method)

    async def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_meant(self):
            fault.once(ValueError("nobody expects this"))
        return await step(self, *args, **kwargs)

    with patch.object(owner, method, broken):
        yield fault


async def told_again(event: Event[HeartbeatReceived], unit: Unit) -> None:
    await unit.db.execute("insert into effect (id) values ($1)", event.id)
    unit.publish(
        AcknowledgementGiven(alert_id=event.data.service_id, by=event.id), subject=event.subject
    )


async def passed_over(_event: Event[AcknowledgementGiven], _unit: Unit) -> None:
    """What is published again comes back on the same topic."""


@asynccontextmanager
async def at_work(database: str, bootstrap: str, prefix: str) -> AsyncIterator[Running]:
    settings = await settings_for(
        ServiceSettings, "monitoring", database, bootstrap, prefix, session_timeout_ms=6_000
    )
    table = routes(on(HeartbeatReceived, told_again), on(AcknowledgementGiven, passed_over))
    async with running(Service("monitoring", settings, MIGRATIONS, routes=table)) as service:
        yield service


async def work_goes_on(service: Running, fault: Fault) -> None:
    """Events flow in and facts flow out, by every client, until the fault has happened and after it."""
    sent = 0

    async def more(count: int) -> None:
        nonlocal sent
        await service.publish(*(heartbeat(sent + n) for n in range(count)))
        sent += count
        beat = heartbeat(sent).encode()
        for _ in range(30):
            try:
                await service.runtime.producer.send(SIGNALS.name, b"t", beat, timeout_seconds=5)
                break
            except (OSError, KafkaError):  # the door would answer 503, and its sender send again
                await asyncio.sleep(0.1)
        else:
            pytest.fail("the doors' producer did not recover")
        sent += 1

    async with asyncio.timeout(60):
        await more(50)
        while not fault.happened.is_set():
            await another_member_comes_and_goes(service)
            await more(5)
    await more(50)
    await service.settled()
    counted = await service.sql("select count(*) as n, count(distinct id) as once from effect")
    assert tuple(counted[0]) == (sent, sent), "lost or doubled"
    facts = {event.data.by for event in await service.published(AcknowledgementGiven)}
    assert len(facts) == sent, "facts were lost"


async def another_member_comes_and_goes(service: Running) -> None:
    settings = service.service.settings
    other = AIOKafkaConsumer(
        settings.topic_prefix + SIGNALS.name, bootstrap_servers=settings.kafka_bootstrap,
        group_id=settings.topic_prefix + "monitoring", enable_auto_commit=False, session_timeout_ms=6_000,
    )  # fmt: skip
    await other.start()
    await other.stop()


@pytest.mark.parametrize("request_kind", OF_A_CONSUMER)
async def test_a_consumer_survives_a_closed_transport_at_any_request(
    request_kind: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with at_work(database, bootstrap, topic_prefix) as service:
        # Whoever loses the coordinator at a heartbeat looks for it again.
        with (
            closed_transport(CONSUMER, "Heartbeat"),
            closed_transport(CONSUMER, request_kind) as fault,
        ):
            await work_goes_on(service, fault)


@pytest.mark.parametrize("request_kind", [kind for kind in OF_A_CONSUMER if kind != "OffsetCommit"])
async def test_a_consumer_that_starts_survives_a_closed_transport_at_any_request(
    request_kind: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    with closed_transport(CONSUMER, request_kind) as fault:
        async with at_work(database, bootstrap, topic_prefix) as service:
            await work_goes_on(service, fault)


@pytest.mark.parametrize(
    "ask",
    [lambda book, tp: book.refresh([tp.topic]), lambda book, tp: book.ends([tp])],
    ids=["which log it is", "where it ends"],
)
async def test_a_client_that_gets_no_answer_about_logs_is_replaced(
    ask: Callable[[Logbook, TopicPartition], Awaitable[Any]], bootstrap: str, topic_prefix: str
) -> None:
    await ensure_topics(bootstrap, [SIGNALS], prefix=topic_prefix)
    book, place = Logbook(bootstrap), TopicPartition(topic_prefix + SIGNALS.name, 0)
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    book._admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    book._answered -= UNANSWERED_SECONDS / 2
    dead = book._admin
    with pytest.raises(TimeoutError):
        await ask(book, place)
    assert book._admin is dead, "a new client knocks at once: not after every question"
    book._answered -= UNANSWERED_SECONDS
    with pytest.raises(TimeoutError):
        await ask(book, place)
    await ask(book, place)
    silent.close()


@pytest.mark.parametrize("client_id", [RELAY, DOORS])
@pytest.mark.parametrize("request_kind", ["Produce", "Metadata"])
async def test_a_producer_survives_a_closed_transport_at_any_request(
    request_kind: str, client_id: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with at_work(database, bootstrap, topic_prefix) as service:
        with closed_transport(client_id, request_kind) as fault:
            await work_goes_on(service, fault)


async def test_a_producer_survives_a_closed_transport_while_it_connects(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with at_work(database, bootstrap, topic_prefix) as service:
        with closed_transport(DOORS, "InitProducerId") as fault:
            await service.runtime.producer.renew()
            await work_goes_on(service, fault)


def _is(client_id: str) -> Callable[[Any], bool]:
    return lambda part: (
        getattr(part, "_client", getattr(part, "client", part))._client_id == client_id
    )


@pytest.mark.parametrize(
    ("owner", "method", "client_id"),
    [
        pytest.param(Fetcher, "_proc_fetch_request", CONSUMER, id="fetch"),
        pytest.param(GroupCoordinator, "_do_heartbeat", CONSUMER, id="heartbeat"),
        pytest.param(GroupCoordinator, "ensure_active_group", CONSUMER, id="coordination"),
        pytest.param(AIOKafkaClient, "_metadata_update", CONSUMER, id="metadata of the consumer"),
        pytest.param(AIOKafkaClient, "_metadata_update", RELAY, id="metadata of the relay"),
        pytest.param(AIOKafkaClient, "_metadata_update", DOORS, id="metadata of the doors"),
        pytest.param(Sender, "_send_produce_req", RELAY, id="sender of the relay"),
        pytest.param(Sender, "_send_produce_req", DOORS, id="sender of the doors"),
    ],
)
async def test_a_client_whose_own_task_dies_is_replaced(
    owner: type, method: str, client_id: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with at_work(database, bootstrap, topic_prefix) as service:
        with dying_task(owner, method, _is(client_id)) as fault:
            await work_goes_on(service, fault)


async def test_what_a_silent_fetcher_hides_is_measured_by_another_client_and_read_after_all(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetcher neither ends nor fails: it never answers, so its own high-water mark stands still."""
    monkeypatch.setattr("services.chassis.engine.progress.STUCK_AFTER_SECONDS", 3.0)
    monkeypatch.setattr("services.chassis.engine.consumer.WATCH_EVERY_SECONDS", 1.0)
    async with at_work(database, bootstrap, topic_prefix) as service:
        await service.publish(*(heartbeat(n) for n in range(20)))
        await service.settled()
        hanging, fetch = asyncio.Event(), Fetcher._proc_fetch_request

        async def silent(self: Any, *args: Any) -> Any:
            if not hanging.is_set() and self._client._client_id == CONSUMER:
                await hanging.wait()
            return await fetch(self, *args)

        with patch.object(Fetcher, "_proc_fetch_request", silent):
            await service.publish(*(heartbeat(n) for n in range(20, 60)))
            consumer = service.process.consumers[0]

            async def lag() -> int:
                return consumer.lag()

            async def replaced() -> bool:
                return bool(metrics.CLIENTS_REPLACED.labels("consumer")._value.get() > before)

            before = metrics.CLIENTS_REPLACED.labels("consumer")._value.get()
            assert await service.eventually(lag, 15) > 0
            assert await service.eventually(replaced, 30)
            hanging.set()
        await service.settled()
        assert (await service.sql("select count(*) as n from effect"))[0]["n"] == 60


async def test_readiness_asks_for_a_connection_that_nobody_holds_yet(
    database: str, superuser_url: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        at_work(database, bootstrap, topic_prefix) as service,
        aiohttp.ClientSession() as http,
    ):
        async with (
            refusing(superuser_url, database, cut=False),
            http.get(f"{service.inside}/readyz") as answer,
        ):
            told = await answer.text()
            assert answer.status == 503
        assert "new connection is unavailable" in told
        assert "vicino_monitoring" not in told
        async with http.get(f"{service.inside}/readyz") as answer:
            assert answer.status == 200, await answer.text()


async def test_metrics_say_whether_it_is_ready_though_nobody_asks_for_that(
    database: str, superuser_url: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        at_work(database, bootstrap, topic_prefix) as service,
        aiohttp.ClientSession() as http,
    ):

        async def ready() -> str:
            async with http.get(f"{service.inside}/metrics") as answer:
                lines = (await answer.text()).splitlines()
            return next(line for line in lines if line.startswith("vicino_ready "))

        async def says_ready() -> bool:
            return await ready() == "vicino_ready 1.0"

        await service.eventually(says_ready)
        async with refusing(superuser_url, database, cut=False):
            assert await ready() == "vicino_ready 0.0"
        assert await ready() == "vicino_ready 1.0"
