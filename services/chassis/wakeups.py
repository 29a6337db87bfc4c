"""Wake-ups: whoever waits for the outbox or for jobs hears of a commit at once, and looks by itself now and then.

A notification may be lost (a dropped connection, a restart), so it only shortens the wait and nothing depends on it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from services.chassis.backoff import Backoff
from services.chassis.database import connect
from services.chassis.logs import logger

RETRY = Backoff(first_seconds=0.2, max_seconds=5.0)
ALIVE_EVERY_SECONDS = 10.0
DEAF_SECONDS = 30.0

log = logger(__name__)


class Wakeups:
    """Listens on the service's channels, on a connection of its own, and reconnects when it breaks."""

    def __init__(self, url: str, schema: str, names: Sequence[str]) -> None:
        self._url, self._schema = url, schema
        self._listened = time.monotonic()
        self._events = {f"vicino_{schema}_{name}": asyncio.Event() for name in names}

    async def wait(self, name: str, timeout_seconds: float) -> None:
        """Wait for a notification, at most so long."""
        event = self._events[f"vicino_{self._schema}_{name}"]
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    def poke(self, name: str) -> None:
        """Wake the waiter from within this process."""
        self._events[f"vicino_{self._schema}_{name}"].set()

    async def run(self) -> None:
        """Listen until cancelled."""
        failures = 0
        while True:
            try:
                await self._listen()
                failures = 0
            except Exception as error:  # noqa: BLE001 - polling goes on meanwhile; the connection is made again
                failures += 1
                log.warning("not listening for wake-ups", error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))

    async def _listen(self) -> None:
        connection = await connect(self._url, self._schema, f"vicino-{self._schema}-wakeups")
        try:
            for channel in self._events:
                await connection.add_listener(channel, self._wake)
            for event in self._events.values():
                event.set()
            while not connection.is_closed():
                self._listened = time.monotonic()
                await asyncio.sleep(ALIVE_EVERY_SECONDS)
                await connection.execute("select 1")
        finally:
            connection.terminate()

    def problems(self) -> list[str]:
        """Why there is no listener; empty when there is one."""
        silent = time.monotonic() - self._listened
        return (
            [f"wake-ups: nobody has listened for {silent:.0f} s"] if silent > DEAF_SECONDS else []
        )

    def _wake(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._events[channel].set()
