"""What Kafka knows of the logs we read, asked beside the reading.

Which incarnation of a topic it is: one deleted and made anew keeps its name and starts again at offset 0. Only Kafka's
topic id tells that from a redelivery, and aiokafka does not show it: the administration client does.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

REQUEST_TIMEOUT_SECONDS = 10.0


class TopicMissing(LookupError):
    """A topic that a service reads does not exist: run `vicino topics apply`."""


class Logbook:
    """The topic ids as last seen."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": 10_000, "log_level": 0})
        self._ids: dict[str, str] = {}

    def known(self, topic: str) -> str:
        """The id as last seen, without asking."""
        return self._ids[topic]

    async def refresh(self, topics: Iterable[str]) -> set[str]:
        """Ask Kafka; returns the topics whose id is new or changed. Raises `TopicMissing`, `TimeoutError`."""
        names = sorted(set(topics))
        found = await asyncio.to_thread(self._describe, names)
        changed = {name for name in names if self._ids.get(name) != found[name]}
        self._ids.update(found)
        return changed

    async def next_offset(self, tp: TopicPartition, offset: int) -> int | None:
        """The first offset from `offset` on that holds a record; None when the log begins above it.

        Raises `TimeoutError`, `KafkaError`.
        """
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="none")
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS), consumer:
            consumer.assign([tp])
            consumer.seek(tp, offset)
            try:
                return int((await consumer.getone()).offset)
            except OffsetOutOfRangeError:
                return None

    def _describe(self, names: list[str]) -> dict[str, str]:
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=REQUEST_TIMEOUT_SECONDS)
        return {name: self._id(name, future) for name, future in asked.items()}

    @staticmethod
    def _id(name: str, future: "Future[Any]") -> str:
        try:
            return str(future.result(timeout=REQUEST_TIMEOUT_SECONDS).topic_id)
        except KafkaException as error:
            if error.args and "UNKNOWN_TOPIC" in str(error.args[0].name()):
                raise TopicMissing(f"{name} does not exist: run `vicino topics apply`") from None
            raise TimeoutError(f"Kafka did not describe {name}: {error.args[0]}") from error
