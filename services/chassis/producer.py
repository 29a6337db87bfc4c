"""Into Kafka: idempotent, and done only when all in-sync replicas have it."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from services.chassis.backoff import Backoff
from services.chassis.logs import logger

LINGER_MS = 2
BATCH_BYTES_MAX = 256 * 1024
STOP_TIMEOUT_SECONDS = 2.0
ABANDON_SECONDS = 1.0
RETRY = Backoff(first_seconds=0.2, max_seconds=5.0)

Headers = Sequence[tuple[str, bytes | None]]
Message = tuple[str, bytes | None, bytes | None, Headers]
"""Topic, key, value, headers."""

log = logger(__name__)


class Producer:
    """One connection to Kafka, replaced when what it sent can no longer be told in order."""

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._bootstrap, self._prefix, self._client_id = bootstrap, prefix, client_id
        self._connecting = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, however long Kafka takes to come."""
        failures = 0
        while True:
            try:
                await self._connected()
                return
            except (OSError, KafkaError) as error:
                failures += 1
                log.warning("kafka is not there yet", bootstrap=self._bootstrap, error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, client_id=self._client_id, acks="all", enable_idempotence=True,
                    linger_ms=LINGER_MS, max_batch_size=BATCH_BYTES_MAX, compression_type="lz4",
                )  # fmt: skip
                try:
                    await producer.start()
                except BaseException:
                    await _abandon(producer)
                    raise
                self._producer = producer
            return self._producer

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), timeout_seconds: float = 10.0
    ) -> None:
        """Send one message; returns once all in-sync replicas have it.

        Raises `TimeoutError` or a `KafkaError`; the message may arrive all the same, so send it again with the same id.
        """
        await self.send_all([(topic, key, value, headers)], timeout_seconds)

    async def send_all(self, messages: Sequence[Message], timeout_seconds: float = 10.0) -> None:
        """Send many; returns once all in-sync replicas have all of them. Messages of one key keep their order.

        Raises as `send` does.
        """
        async with asyncio.timeout(timeout_seconds):
            producer = await self._connected()
            try:
                sending = [await self._put(producer, *message) for message in messages]
                await asyncio.shield(asyncio.gather(*sending))
            except KafkaError as error:
                # What failed for good has used up sequence numbers: from then on Kafka would refuse every batch of its
                # partition as out of order, for ever.
                if not error.retriable:
                    await self._replace(producer)
                raise

    async def _put(
        self, producer: AIOKafkaProducer, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> "asyncio.Future[object]":
        """Put a message in line; the future is done when Kafka has it."""
        sending: asyncio.Future[object] = await producer.send(
            self._prefix + topic, value=value, key=key, headers=list(headers)
        )
        return sending

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
    """Close a producer without sending what it has in line; whoever waits for that is told.

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
