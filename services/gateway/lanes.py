"""A lane per recipient, so that a slow or dead one holds up nobody but itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.chassis.jobs import NotYet

AT_ONCE = 4
WAITING_MAX = 8
WAIT_SECONDS = 10.0
BUSY_SECONDS = 1.0
FAILING_BUSY_SECONDS = 5.0
"""How long a notification steps aside when its recipient's lane is full."""


@dataclass(slots=True)
class Lane:
    """The deliveries to one recipient. While it is failing there is one at a time, and none waits for it."""

    is_failing: bool = False
    present: int = 0
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait too long."""
        return self.present >= (1 if self.is_failing else AT_ONCE + WAITING_MAX)


class Lanes:
    """All lanes of this process."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def enter(self, recipient: str) -> AsyncIterator[Lane]:
        """A place in a recipient's lane. Raises `NotYet` when there is none."""
        lane = self._lanes.setdefault(recipient, Lane())
        if lane.is_full:
            raise _step_aside(lane)
        lane.present += 1
        try:
            await _wait_for_room(lane)
            try:
                yield lane
            finally:
                lane.room.release()
        finally:
            lane.present -= 1


async def _wait_for_room(lane: Lane) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await lane.room.acquire()
    except TimeoutError:
        raise _step_aside(lane) from None


def _step_aside(lane: Lane) -> NotYet:
    return NotYet(FAILING_BUSY_SECONDS if lane.is_failing else BUSY_SECONDS, "this recipient has enough in hand")
