"""What Kafka knows of the logs we read, asked beside the reading.

Which incarnation of a topic it is: one that was deleted and re-created keeps its name and starts again at offset 0. Only Kafka's
topic id tells that from a redelivery, and aiokafka does not show it: the administration client does.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from services.chassis.kafka_login import KafkaServers, servers_of

REQUEST_TIMEOUT_SECONDS = 5.0
"""A thread waits for the answer, and a stop waits for the thread."""


UNANSWERED_SECONDS = 15.0
"""A client without an answer for so long is replaced. Not sooner: a new one knocks at once, an old one ever more seldom."""

THREADS = 4
"""So many questions at once: a consumer that begins asks for each partition."""

A = TypeVar("A")
R = TypeVar("R")
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call] # untyped upstream


class TopicMissing(LookupError):
    """A topic that a service reads does not exist."""


class Logbook:
    """The topic ids as last seen."""

    def __init__(self, kafka: KafkaServers | str) -> None:
        self._kafka = servers_of(kafka)
        self._admin = self._connected()
        self._answered = time.monotonic()
        """When Kafka answered last, or when the client was made."""
        # Threads of its own: one that waits for Kafka must not keep others from resolving a name.
        self._threads = ThreadPoolExecutor(THREADS, "kafka-admin")
        self._ids: dict[str, str] = {}
        self._partitions: dict[str, int] = {}

    def known(self, topic: str) -> str:
        """The id as last seen, without asking."""
        return self._ids[topic]

    def partitions(self, topic: str) -> int:
        """How many partitions it has, as last seen, without asking."""
        return self._partitions[topic]

    async def refresh(self, topics: Iterable[str]) -> None:
        """Ask Kafka, and remember. Raises `TopicMissing` when one does not exist, `TimeoutError`."""
        found = await self._ask(self._describe, sorted(set(topics)))
        for name, about in found.items():
            if about is not None:
                self._ids[name], self._partitions[name] = about
        if missing := [name for name, about in found.items() if about is None]:
            raise TopicMissing(f"{', '.join(missing)}: no such topic; run `vicino topics apply`")

    async def next_offset(self, tp: TopicPartition, offset: int) -> int | None:
        """The first offset from `offset` on that holds a record; None when the log begins above it.

        Raises `TimeoutError`, `KafkaError`.
        """
        consumer = AIOKafkaConsumer(**self._kafka.aiokafka(), auto_offset_reset="none")
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS), consumer:
            consumer.assign([tp])
            consumer.seek(tp, offset)
            try:
                return int((await consumer.getone()).offset)
            except OffsetOutOfRangeError:
                return None

    async def ends(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions end, by a client that has no part in reading them. Raises `TimeoutError`."""
        return await self._ask(self._ends, sorted(set(tps)))

    def _connected(self) -> AdminClient:
        return AdminClient(
            {**self._kafka.librdkafka(), "socket.timeout.ms": 5_000, "reconnect.backoff.ms": 1_000, "log_level": 0}
        )  # fmt: skip

    async def _ask(self, question: Callable[[AdminClient, A], R], about: A) -> R:
        """Ask beside the event loop. A client that gets no answer for long is replaced: after an outage one may get none ever."""
        admin = self._admin
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, question, admin, about
            )
        except TimeoutError:
            if self._admin is admin and time.monotonic() - self._answered > UNANSWERED_SECONDS:
                self._admin, self._answered = self._connected(), time.monotonic()
            raise
        self._answered = time.monotonic()
        return found

    @staticmethod
    def _ends(admin: AdminClient, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        if not tps:
            return {}
        asked = admin.list_offsets(
            {Place(tp.topic, tp.partition): _LATEST for tp in tps},
            request_timeout=REQUEST_TIMEOUT_SECONDS,
        )
        try:
            return {
                TopicPartition(place.topic, place.partition): future.result(
                    timeout=REQUEST_TIMEOUT_SECONDS
                ).offset
                for place, future in asked.items()
            }
        except KafkaException as error:
            raise TimeoutError(f"Kafka did not say where logs end: {error.args[0]}") from error

    @staticmethod
    def _describe(admin: AdminClient, names: list[str]) -> dict[str, tuple[str, int] | None]:
        asked = admin.describe_topics(
            TopicCollection(names), request_timeout=REQUEST_TIMEOUT_SECONDS
        )
        return {name: Logbook._about(name, future) for name, future in asked.items()}

    @staticmethod
    def _about(name: str, future: "Future[Any]") -> tuple[str, int] | None:
        """The id of a topic, and how many partitions it has; None when it does not exist."""
        try:
            found = future.result(timeout=REQUEST_TIMEOUT_SECONDS)
            return str(found.topic_id), len(found.partitions)
        except KafkaException as error:
            if error.args and "UNKNOWN_TOPIC" in str(error.args[0].name()):
                return None
            raise TimeoutError(f"Kafka did not describe {name}: {error.args[0]}") from error
