"""The relay: facts leave the outbox in order, and are forgotten when Kafka has them.

One relay of a service works at a time (a lock that ends with its transaction), so facts of one subject keep their
order. Killed between sending and marking, it sends again: the ids are the same, and readers act once.
"""

import asyncio
import time
from base64 import b64decode

import asyncpg
from aiokafka.errors import KafkaError

from services.chassis import metrics, store
from services.chassis.backoff import Backoff
from services.chassis.database import Connection, Pool
from services.chassis.failpoints import reach
from services.chassis.logs import logger
from services.chassis.producer import Producer
from services.chassis.producer_line import Message
from services.chassis.wakeups import Wakeups

ROUND_FACTS_MAX = 1000
POLL_SECONDS = 1.0
SEND_TIMEOUT_SECONDS = 15.0
RETRY = Backoff(first_seconds=0.1, max_seconds=5.0)

log = logger(__name__)


class Relay:
    """Sends what the service has said, with a producer of its own."""

    def __init__(self, pool: Pool, producer: Producer, wakeups: Wakeups) -> None:
        self._pool, self._producer, self._wakeups = pool, producer, wakeups
        self._alive = time.monotonic()

    async def run(self) -> None:
        """Relay until cancelled."""
        failures = 0
        while True:
            try:
                sent = await self.round()
                self._alive, failures = time.monotonic(), 0
                if sent < ROUND_FACTS_MAX:
                    await self._wakeups.wait("outbox", POLL_SECONDS)
            except Exception as error:  # noqa: BLE001 - facts wait in the outbox; nothing is skipped
                failures += 1
                metrics.OUTBOX_FAILURES.labels(type(error).__name__).inc()
                log.warning("outbox round failed", error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))

    async def round(self) -> int:
        """Send the oldest facts, if no other relay is at it. Returns how many Kafka took."""
        async with self._pool.acquire() as db, db.transaction():
            if not await store.try_relay_lock(db):
                return 0
            facts = await store.oldest_facts(db, ROUND_FACTS_MAX)
            reach("relay.selected")
            if facts:
                await self._send(db, facts)
        reach("relay.marked")
        metrics.OUTBOX_SENT.inc(len(facts))
        return len(facts)

    async def _send(self, db: Connection, facts: list[asyncpg.Record]) -> None:
        try:
            await self._producer.send_all([_message(fact) for fact in facts], SEND_TIMEOUT_SECONDS)
        except (KafkaError, OSError):
            # All of it will be sent again: what is still in line must not overtake what failed before it.
            await self._producer.renew()
            raise
        reach("relay.sent")
        await store.remove_facts(db, [fact["seq"] for fact in facts])

    def problems(self) -> list[str]:
        """Why facts are not leaving; empty when they are."""
        silent = time.monotonic() - self._alive
        return [f"outbox: no round for {silent:.0f} s"] if silent > 2 * SEND_TIMEOUT_SECONDS else []


def _message(fact: asyncpg.Record) -> Message:
    key = fact["subject"].encode() if fact["key"] is None else fact["key"]
    headers = [
        (name, None if value is None else b64decode(value)) for name, value in fact["headers"]
    ]
    return fact["topic"], key, fact["payload"], headers
