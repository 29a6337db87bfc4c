"""What a case sends: signals and usage, each accepted exactly once by Kafka, and remembered for the count."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven
from schemas.topics import USAGE
from schemas.usage import UsageRecorded
from tests.faults.verdict import Sent
from tests.support.furnishing import meter_key, service_id, tenant_id

TENANTS = 40

Message: TypeAlias = tuple[str, bytes, bytes]
"""Topic, key, value."""

Raw: TypeAlias = tuple[str, bytes | None, bytes | None, list[tuple[str, Any]]]
"""Topic, key, value, headers."""


class Sending:
    """Sends to the topics of one case."""

    def __init__(self, bootstrap: str, prefix: str, dice: random.Random) -> None:
        self.prefix, self.dice = prefix, dice
        self.sent = Sent()
        self.messages: list[Message] = []
        self.places: dict[tuple[int, int], str] = {}
        """Where Kafka has each usage event that was sent by `send`: id by partition and offset."""
        self._placed = asyncio.Condition()
        self._bootstrap = bootstrap
        self._start = datetime.now(UTC) - timedelta(days=2)

    def signal(self) -> Message:
        """One more signal."""
        event_id = f"s{len(self.sent.signals)}"
        self.sent.signals.append(event_id)
        data = AcknowledgementGiven(alert_id=str(UUID(int=self.dice.getrandbits(128))), by="desk")
        return self._encoded(event_id, self.dice.randrange(TENANTS), data, self._start)

    def usage_event(self) -> Message:
        """One more usage event."""
        event_id, tenant, quantity = (
            f"u{len(self.sent.usage)}",
            self.dice.randrange(TENANTS),
            self.dice_quantity(),
        )
        self.sent.usage[event_id] = tenant, quantity
        return self.usage_of(event_id, tenant, quantity)

    def dice_quantity(self) -> Decimal:
        """Any quantity."""
        return Decimal(self.dice.randrange(1, 10**8)) / 1000

    def usage_of(self, event_id: str, tenant: int, quantity: Decimal) -> Message:
        """A usage event as said."""
        values = {
            "service_id": service_id(tenant),
            "meter": meter_key(0),
            "quantity": format(quantity, "f"),
        }
        at = self._start + timedelta(seconds=self.dice.randrange(86_400))
        return self._encoded(event_id, tenant, UsageRecorded.model_validate(values), at)

    @staticmethod
    def _encoded(event_id: str, tenant: int, data: Any, at: datetime) -> Message:
        event = Event(event_id, "/faults", data.wire_type, tenant_id(tenant), at, data)
        return data.topic.name, tenant_id(tenant).encode(), event.encode()

    async def send(self, n: int, pace_seconds: float = 0.0) -> None:
        """Send `n` signals and `n` usage events, each accepted exactly once by Kafka, whatever happens to it."""
        async with self.producer() as producer:
            for _ in range(n):
                for message in (self.signal(), self.usage_event()):
                    await self.send_one(producer, message)
                await asyncio.sleep(pace_seconds)

    async def send_one(self, producer: AIOKafkaProducer, message: Message) -> None:
        """Send until Kafka has it: what is accepted is what counts."""
        self.messages.append(message)
        topic, key, value = message
        while True:
            try:
                placed = await producer.send_and_wait(self.prefix + topic, key=key, value=value)
                break
            except KafkaError:
                await asyncio.sleep(0.2)
        if topic == USAGE.name:
            async with self._placed:
                self.places[(placed.partition, placed.offset)] = msgspec.json.decode(value)["id"]
                self._placed.notify_all()

    async def has_placed(self, count: int) -> None:
        """Wait until Kafka has so many usage events."""
        async with self._placed:
            await self._placed.wait_for(lambda: len(self.places) >= count)

    async def send_bomb(self, value: bytes, compression: str) -> int:
        """Send a value that is small only on the wire to partition 0 of usage; returns its offset."""
        async with self.producer(compression_type=compression, max_request_size=2**30) as producer:
            return int(
                (
                    await producer.send_and_wait(self.prefix + USAGE.name, value=value, partition=0)
                ).offset
            )

    async def send_raw(self, records: Sequence[Raw], compression: str | None = None) -> None:
        """Send records as they are, in order, to partition 0."""
        async with self.producer(compression_type=compression) as producer:
            sending = [
                await producer.send(
                    self.prefix + topic, key=key, value=value, headers=headers, partition=0
                )
                for topic, key, value, headers in records
            ]
            await asyncio.gather(*sending)

    @asynccontextmanager
    async def producer(self, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
        """An idempotent producer."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            retry_backoff_ms=200,
            **more,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def replay(self) -> None:
        """Write everything that was sent once more."""
        async with self.producer() as producer:
            for topic, key, value in self.messages:
                await producer.send(self.prefix + topic, key=key, value=value)
            await producer.flush()
