"""A queue per partition: its slices one after the other, while other partitions, and the next fetch, go on beside it.

The offset in the database decides what counts, so it is safe to fetch ahead of it; a queue holds one slice in flight and one
waiting, and whoever brings a third has to wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
WAITING_MAX = 1


class PartitionQueue(Generic[ItemT]):
    """Works off items in order. `work` returns false when what waits is of no use any more; it must not raise."""

    def __init__(self, name: str, work: Callable[[ItemT], Awaitable[bool]]) -> None:
        self._work = work
        self._waiting: asyncio.Queue[ItemT] = asyncio.Queue(WAITING_MAX)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._task = asyncio.create_task(self._run(), name=f"queue {name}")

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        return self._idle.is_set() and self._waiting.empty()

    async def put(self, item: ItemT) -> None:
        """Bring an item; waits while the queue is full. What is brought to a closed queue is forgotten."""
        if not self._closed:
            await self._waiting.put(item)

    def clear(self) -> None:
        """Forget what waits."""
        while not self._waiting.empty():
            self._waiting.get_nowait()

    async def finish(self) -> None:
        """Forget what waits, let what is in flight end, and close the queue."""
        self.clear()
        await self._idle.wait()
        self.close()

    def close(self) -> None:
        """End now. Whoever waits to bring something is released."""
        self._closed = True
        self._task.cancel()
        self.clear()

    async def _run(self) -> None:
        while True:
            item = await self._waiting.get()
            self._idle.clear()
            try:
                if not await self._work(item):
                    self.clear()
            finally:
                self._idle.set()
