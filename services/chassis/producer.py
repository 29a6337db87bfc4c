"""Into Kafka: idempotent, and done only when all in-sync replicas have it."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.chassis.backoff import Backoff
from services.chassis.logs import logger

LINGER_MS = 2
BATCH_BYTES_MAX = 256 * 1024
STOP_TIMEOUT_SECONDS = 4.0
RETRY = Backoff(first_seconds=0.2, max_seconds=5.0)

Headers = Sequence[tuple[str, bytes]]

log = logger(__name__)


class Producer:
    """One connection to Kafka for everything that a process sends."""

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._bootstrap, self._prefix, self._client_id = bootstrap, prefix, client_id
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, however long Kafka takes to come."""
        failures = 0
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, client_id=self._client_id, acks="all", enable_idempotence=True,
                linger_ms=LINGER_MS, max_batch_size=BATCH_BYTES_MAX, compression_type="lz4",
            )  # fmt: skip
            try:
                await producer.start()
            except (OSError, KafkaError) as error:
                await producer.stop()
                failures += 1
                log.warning("kafka is not there yet", bootstrap=self._bootstrap, error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))
            else:
                self._producer = producer
                return

    async def begin(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> "asyncio.Future[object]":
        """Put a message in line; the future is done when Kafka has it. Messages of one key keep their order."""
        if self._producer is None:
            raise ConnectionError("the producer is not started")
        sending: asyncio.Future[object] = await self._producer.send(
            self._prefix + topic, value=value, key=key, headers=list(headers)
        )
        return sending

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), timeout_seconds: float = 10.0
    ) -> None:
        """Send one message; returns once all in-sync replicas have it.

        Raises `TimeoutError` or a `KafkaError`; the message may arrive all the same, so send it again with the same id.
        """
        async with asyncio.timeout(timeout_seconds):
            await asyncio.shield(await self.begin(topic, key, value, headers))

    async def send_all(
        self, messages: Sequence[tuple[str, bytes | None, bytes | None]], timeout_seconds: float = 10.0
    ) -> None:
        """Send many, in order; returns once all in-sync replicas have all of them. Raises as `send`."""
        async with asyncio.timeout(timeout_seconds):
            sending = [await self.begin(topic, key, value) for topic, key, value in messages]
            await asyncio.shield(asyncio.gather(*sending))

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
