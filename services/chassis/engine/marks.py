"""Whether everything that was in a partition at an instant has been acted on. Pure.

A mark says: asked at an instant, Kafka said that the partition ends there. Once our offset has reached that end, all
that was in the log at that instant has had its effect. A later mark would do too, but a log that grows all the time
would then never be read up: so the first mark after an instant is kept until it is reached.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

MARKS_MAX = 64
"""Kept of one partition. Beyond it every other one but the oldest goes: an instant then waits for a later one."""


@dataclass(slots=True)
class Marks:
    """Of one partition of one log. Instants only grow; whoever has seen the clock step back starts again."""

    _open: deque[tuple[datetime, int]] = field(default_factory=deque)
    """When Kafka was asked, and the end it answered: not reached yet, the oldest first."""
    _read: datetime | None = None
    _reached: int = 0

    @property
    def read_at(self) -> datetime | None:
        """The newest instant of which it is known that all that was in the partition has had its effect."""
        return self._read

    def is_known(self, instant: datetime) -> bool:
        """Whether some mark was made at the instant or after it."""
        newest = self._open[-1][0] if self._open else self._read
        return newest is not None and newest >= instant

    def add(self, asked_at: datetime, end: int) -> None:
        """Note Kafka's answer at an instant: the partition's end, the next offset to be written."""
        if self.is_known(asked_at):
            return
        if len(self._open) >= MARKS_MAX:
            newest = self._open[-1]
            self._open = deque(list(self._open)[::2])
            if self._open[-1] != newest:
                self._open.append(newest)
        self._open.append((asked_at, end))

    def advance(self, next_offset: int) -> bool:
        """Everything below `next_offset` has had its effect. False: it was more before, so these marks mean nothing.

        That happens when the database is restored to an earlier point beside a running service.
        """
        if next_offset < self._reached:
            return False
        while self._open and self._open[0][1] <= next_offset:
            self._read, self._reached = self._open.popleft()
        return True

    def is_read(self, instant: datetime) -> bool:
        """Whether all that was in the partition at the instant has had its effect."""
        return self._read is not None and self._read >= instant
