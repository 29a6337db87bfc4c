"""Into Kafka: idempotent, and done only when all in-sync replicas have it."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import DefaultPartitioner, murmur2

from services.chassis import kafka_clients, metrics
from services.chassis.backoff import Backoff
from services.chassis.kafka_login import KafkaServers, servers_of
from services.chassis.logs import logger
from services.chassis.producer_line import Headers, Message, all_sent, put_in_line

LINGER_MS = 0
"""A lone message is sent at once. While one request to a broker is under way, those that come gather for the next."""

BATCH_BYTES_MAX = 256 * 1024
STOP_TIMEOUT_SECONDS = 2.0
ABANDON_SECONDS = 1.0
RETRY = Backoff(first_seconds=0.2, max_seconds=5.0)
ATTEND_EVERY_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 10.0
FAILING_SECONDS = 30.0
"""A producer that has not reached Kafka for so long is a problem that readiness reports."""

Packing = Literal["lz4"] | None
LZ4: Packing = "lz4"
UNPACKED: Packing = None
"""For a door: whoever sends waits for it, and packing takes longer than all else that is done to an event."""

KEYS_MAX = 20_000
"""Of so many keys the hash is remembered."""

log = logger(__name__)


_any_partition = DefaultPartitioner()


@lru_cache(maxsize=KEYS_MAX)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_for(
    key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]
) -> int:
    """The partition of a key, as every Kafka client finds it. Keys are remembered: aiokafka hashes in pure Python."""
    if key is None:
        return int(_any_partition(key, all_partitions, available))
    return all_partitions[_hash(key) % len(all_partitions)]


class Producer:
    """One connection to Kafka, replaced when it is dead or can no longer keep the order of what it sent."""

    def __init__(
        self, kafka: KafkaServers | str, prefix: str, client_id: str, packing: Packing = LZ4
    ) -> None:
        self._kafka, self._prefix, self._client_id = servers_of(kafka), prefix, client_id
        self._packing = packing
        self._connecting = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._failing_since: float | None = None
        kafka_clients.install()

    async def start(self) -> None:
        """Connect, however long Kafka takes to come."""
        failures = 0
        while True:
            try:
                await self._connected()
                return
            except (OSError, KafkaError) as error:
                failures += 1
                log.warning(
                    "kafka is not there yet", bootstrap=self._kafka.bootstrap, error=repr(error)
                )
                await asyncio.sleep(RETRY.seconds(failures))

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._kafka.aiokafka(), client_id=self._client_id, acks="all", enable_idempotence=True,
                    partitioner=partition_for, linger_ms=LINGER_MS, max_batch_size=BATCH_BYTES_MAX,
                    compression_type=self._packing,
                )  # fmt: skip
                try:
                    await producer.start()
                except BaseException:
                    await _abandon(producer)
                    raise
                self._producer = producer
            return self._producer

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        timeout_seconds: float = 10.0,
    ) -> None:
        """Send one message; returns once all in-sync replicas have it.

        Raises `TimeoutError` or a `KafkaError`; the message may arrive all the same, so send it again with the same id.
        """
        await self.send_all([(topic, key, value, headers)], timeout_seconds)

    async def send_all(self, messages: Sequence[Message], timeout_seconds: float = 10.0) -> None:
        """Send many; returns once all in-sync replicas have all of them. Messages of one key keep their order.

        Raises as `send` does.
        """
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                producer = await self._connected()
                await all_sent(await put_in_line(producer, self._prefixed(messages)))
        except (KafkaError, OSError) as error:
            self._failing_since = self._failing_since or time.monotonic()
            # What failed for good has used up sequence numbers: Kafka would refuse every later batch of its partition as
            # out of order. And a client that does not answer in time may never answer again.
            if producer is not None and not (isinstance(error, KafkaError) and error.retriable):
                await self._replace(producer)
            raise
        except (
            RuntimeError
        ) as error:  # what ended the client's own task is handed to all who wait for it
            self._failing_since = self._failing_since or time.monotonic()
            if producer is not None:
                await self._replace(producer)
            raise KafkaConnectionError(f"the client is dead: {error!r}") from error
        self._failing_since = None

    async def attend(self) -> None:
        """Run until cancelled: replace a client whose tasks have ended, and find out when Kafka is back."""
        failures = 0
        while True:
            await asyncio.sleep(RETRY.seconds(failures) if failures else ATTEND_EVERY_SECONDS)
            if self._producer is not None and (dead := kafka_clients.dead_tasks(self._producer)):
                log.error(
                    "a kafka producer is dead and will be replaced",
                    client=self._client_id,
                    tasks=dead,
                )
                metrics.CLIENTS_REPLACED.labels("producer").inc()
                self._failing_since = self._failing_since or time.monotonic()
                await self._replace(self._producer)
            if self._failing_since is not None and self._producer is None:
                # Nobody may send while readiness says no: without this it would never say yes again.
                failures = 0 if await self._reconnects() else failures + 1

    async def _reconnects(self) -> bool:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await self._connected()
        except (KafkaError, OSError) as error:
            log.warning("kafka is unavailable", client=self._client_id, error=repr(error))
            return False
        self._failing_since = None
        return True

    def problems(self) -> list[str]:
        """Why nothing can be sent; empty when it can, as far as is known."""
        if self._producer is not None and kafka_clients.dead_tasks(self._producer):
            return [f"{self._client_id}: its client is dead"]
        if self._failing_since is None:
            return []
        failing = time.monotonic() - self._failing_since
        if failing < FAILING_SECONDS:
            return []
        return [f"{self._client_id}: nothing was acknowledged for {failing:.0f} s"]

    def _prefixed(self, messages: Iterable[Message]) -> Iterator[Message]:
        return (
            (self._prefix + topic, key, value, headers) for topic, key, value, headers in messages
        )

    async def renew(self) -> None:
        """Drop what is in line, and send the next message over a connection of its own.

        For who sends everything again, in order: what was left of the last try must not come between.
        """
        if self._producer is not None:
            await self._replace(self._producer)

    async def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await _abandon(producer)

    async def stop(self) -> None:
        """Send what is in line, for a while, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await producer.stop()
        except TimeoutError:
            log.warning("kafka did not take the last messages in time; the outbox still has them")


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it has queued; whoever waits for that gets an error.

    aiokafka's own `stop` sends what is in line first, however long that takes.
    """
    producer._closed = True
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    closing = asyncio.ensure_future(producer.client.close())
    await asyncio.wait({closing} if sender is None else {closing, sender}, timeout=ABANDON_SECONDS)
    # What it was about to send again waits for news of the brokers, and a closed client has none.
    if (news := producer.client._md_update_fut) is not None and not news.done():
        news.set_result(False)
    producer._message_accumulator.fail_all(KafkaConnectionError("the connection was given up"))
