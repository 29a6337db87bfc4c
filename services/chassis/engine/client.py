"""The Kafka client of a consumer: FastStream's subscriber over raw batches, replaced when it is dead.

FastStream polls the client and retries its errors, but a client whose own background task has ended answers every poll
with the same error, for ever. So whoever owns it looks after it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from schemas.topics import Topic
from services.chassis import kafka_clients, metrics
from services.chassis.backoff import Backoff
from services.chassis.engine.batches import Record
from services.chassis.logs import logger

BATCH_TIMEOUT_MS = 50
"""Both the longest wait for a fetch and FastStream's sleep after an empty one: idle latency is at most twice this."""

PARTITION_FETCH_BYTES_MAX = 8 * 1024 * 1024
GATHERED_BYTES = 512 * 1024
"""With so much, compressed, the broker waits no longer for more to come together."""

FETCH_WAIT_MS = 500
"""How long a fetch waits at the broker for a first record."""

RESTART_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 3.0
RETRY = Backoff(first_seconds=0.1, max_seconds=5.0)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a consumer is to read, and as whom."""

    group: str
    topics: Sequence[Topic]
    records_max: int
    instance: str | None
    session_timeout_ms: int
    prefix: str
    gather_ms: int = 0
    """How long the broker lets records come together, once all is read: small slices are dear."""


class Client:
    """A subscriber and its present client."""

    def __init__(self, group: str, subscriber: Any) -> None:
        self._group, self._subscriber = group, subscriber

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The client; None before the start, after the stop and while it is replaced."""
        return self._subscriber.consumer

    def fault(self) -> str:
        """Why the client must be replaced; empty while it works, or is not started."""
        if self.consumer is None:
            return ""
        if dead := kafka_clients.dead_tasks(self.consumer):
            return "; ".join(dead)
        polls = self._subscriber.tasks
        return "nobody polls it" if polls and all(task.done() for task in polls) else ""

    async def replace(self, why: str, is_stopping: Callable[[], bool]) -> None:
        """Start another client, however long Kafka takes to accept it."""
        log.error("a kafka consumer is dead and will be replaced", group=self._group, why=why)
        metrics.CLIENTS_REPLACED.labels("consumer").inc()
        await self.stop()
        await self.start(is_stopping)

    async def start(self, is_stopping: Callable[[], bool]) -> None:
        """Start a client, however long Kafka takes to accept it: readiness reports that none is at work."""
        failures = 0
        while not is_stopping():
            try:
                async with asyncio.timeout(RESTART_TIMEOUT_SECONDS):
                    await self._subscriber.start()
                return
            except Exception as error:  # noqa: BLE001 - whatever stands in the way, it is tried again
                failures += 1
                log.warning(
                    "cannot start a kafka consumer yet", group=self._group, error=repr(error)
                )
                await self.stop()
                await asyncio.sleep(RETRY.seconds(failures))

    async def stop(self) -> None:
        """End the client, within a time: a dead one may hang, or raise what killed it once more."""
        # In a task of its own: aiokafka lets the cancellation of its own tasks out, which would end ours.
        stopping = asyncio.create_task(self._subscriber.stop())
        done, _ = await asyncio.wait({stopping}, timeout=STOP_TIMEOUT_SECONDS)
        if not done:
            stopping.cancel()
            log.info("a kafka consumer did not stop in time", group=self._group)
        elif stopping.cancelled() or stopping.exception() is not None:
            log.info("a kafka consumer did not stop cleanly", group=self._group)
        self._subscriber.consumer = None


def subscribe(
    broker: KafkaBroker,
    reading: Subscription,
    topics: list[str],
    listener: ConsumerRebalanceListener,
    handler: Callable[[tuple[Record, ...]], Awaitable[None]],
) -> Any:
    """A batch subscriber that hands the raw records on: one bad header would otherwise lose its good neighbours."""

    async def parser(records: tuple[Record, ...]) -> KafkaAckableMessage:
        return KafkaAckableMessage(
            body=b"", headers={}, raw_message=records, consumer=subscriber.consumer,
            message_id="batch", correlation_id="batch", reply_to="",
        )  # fmt: skip

    async def decoder(message: KafkaAckableMessage) -> Any:
        return message.raw_message

    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=reading.group,
        group_instance_id=reading.instance and f"{reading.group}-{reading.instance}",
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        max_records=reading.records_max,
        batch_timeout_ms=BATCH_TIMEOUT_MS,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
        fetch_min_bytes=GATHERED_BYTES if reading.gather_ms else 1,
        fetch_max_wait_ms=reading.gather_ms or FETCH_WAIT_MS,
        session_timeout_ms=reading.session_timeout_ms,
        heartbeat_interval_ms=reading.session_timeout_ms // 3,
        listener=listener,
        parser=parser,
        decoder=decoder,
    )

    async def pass_on(records: Any) -> None:
        """Raw records of one or more partitions."""
        await handler(records)

    subscriber(pass_on)
    return subscriber
