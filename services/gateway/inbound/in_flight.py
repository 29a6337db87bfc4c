"""Orders in flight: written, and sent or not; the process or Kafka's answer was lost in between. They are sent again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka.errors import KafkaError

from schemas.topics import ORDERS
from services.chassis.database import is_infrastructure
from services.chassis.logs import logger
from services.chassis.sealing import KeyRing, Sealer
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.gateway import metrics, store
from services.gateway.store import Accepted, sql

EVERY_SECONDS = 5.0
QUIET_SECONDS = 30.0
"""Longer than a request sends: nobody is at work on an order that was not tried for so long."""

LOT = 50
SEND_TIMEOUT_SECONDS = 10.0

log = logger(__name__)
Name = tuple[str, str, str]
"""Principal, source and id."""

Message = tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]


class Turns:
    """Requests of this process with the same orders come one after the other, so that the second finds what the first did."""

    def __init__(self) -> None:
        self._locks: dict[Name, asyncio.Lock] = {}
        self._present: Counter[Name] = Counter()

    @asynccontextmanager
    async def of(self, names: Iterable[Name], timeout_seconds: float) -> AsyncIterator[None]:
        """A turn for some orders; taken in one order everywhere. Raises `TimeoutError`."""
        wanted = sorted(set(names))
        self._present.update(wanted)
        try:
            async with AsyncExitStack() as held:
                async with asyncio.timeout(timeout_seconds):
                    for name in wanted:
                        await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
                yield
        finally:
            self._present.subtract(wanted)
            for name in wanted:
                if not self._present[name]:
                    del self._present[name]
                    self._locks.pop(name, None)


class InFlight:
    """Sends orders again that are in flight. Earlier builds sealed their messages, which named persons in clear."""

    def __init__(self, keys: KeyRing | bytes) -> None:
        self._sealer = Sealer(keys, "orders in flight")

    def message(self, order: Accepted) -> Message | None:
        """What is to be sent again of an order: the same bytes; None when Kafka has it."""
        if order.message is None or order.key is None:
            return None
        is_plain = order.message.startswith(b"{")
        return (
            ORDERS.name,
            order.key,
            order.message if is_plain else self._sealer.open(order.message),
            (),
        )

    async def keep_sending(self, runtime: Runtime) -> None:
        """Send again what nobody is at work on, until the service stops."""
        while not runtime.stopping.is_set():
            try:
                while await self.send_again(runtime) == LOT:
                    continue
                async with runtime.pool.acquire() as db:
                    metrics.ORDER_IN_FLIGHT_SECONDS.set(await sql.oldest_order_in_flight(db))
            except Exception as error:
                if not isinstance(error, KafkaError) and not is_infrastructure(error):
                    raise
                log.warning("cannot send orders again", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def send_again(self, runtime: Runtime, quiet_seconds: float = QUIET_SECONDS) -> int:
        """Send some orders again that were not tried for a while; returns how many."""
        async with runtime.pool.acquire() as db:
            found = await collect(sql.orders_to_send_again(db, seconds=quiet_seconds, limit=LOT))
        for row in found:
            message = self.message(Accepted(b"", {}, row["key"], row["message"]))
            if message is not None:
                await runtime.producer.send_all([message], SEND_TIMEOUT_SECONDS)
                async with runtime.pool.acquire() as db:
                    await store.orders_sent(db, row["principal"], [(row["source"], row["id"])])
        return len(found)
