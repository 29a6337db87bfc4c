"""Work on a large request in turns, so that it does not hold up every other request of the process."""

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

TURN_SECONDS = 0.01

T = TypeVar("T")


class Pace:
    """Lets others have their turn when ours has been long enough."""

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether others should have their turn."""
        return perf_counter() - self._since > TURN_SECONDS

    async def breathe(self) -> None:
        """Let others go first."""
        await asyncio.sleep(0)
        self._since = perf_counter()


async def in_turns(work: Generator[None, None, T]) -> T:
    """Run work that says by `yield` where it may rest; returns its result."""
    pace = Pace()
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        if pace.is_over:
            await pace.breathe()
