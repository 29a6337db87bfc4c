"""Time is injected, so that a month, a deadline or an escalation is tested in milliseconds."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells the time: an aware instant in UTC."""

    def now(self) -> datetime:
        """The present instant."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant."""
        return datetime.now(UTC)


class ManualClock:
    """Stands still until it is advanced. For tests within one process."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move forward; a clock never goes back."""
        if step < timedelta(0):
            raise ValueError("a clock never goes back")
        self._now += step

    def set(self, instant: datetime) -> None:
        """Move forward to an instant."""
        self.advance(instant - self._now)


class SteeredClock:
    """Follows a small file that another process rewrites (`steer`), and flows at the real rate from there.

    Every process that reads the same file sees the same time, up to the precision of the machine's clock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] = (0, 0)
        self._shift = timedelta(0)

    def now(self) -> datetime:
        """The machine's time, shifted as the file says."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            written = json.loads(self._path.read_text(encoding="ascii"))
            self._shift, self._stamp = timedelta(microseconds=written["shift_us"]), stamp
        return datetime.now(UTC) + self._shift


def steer(path: Path, instant: datetime) -> None:
    """Make it `instant` now for every `SteeredClock` on `path`. The file is replaced in one step."""
    shift = instant.astimezone(UTC) - datetime.now(UTC)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    draft.write_text(json.dumps({"shift_us": shift // timedelta(microseconds=1)}), encoding="ascii")
    draft.replace(path)


def clock_from(path: Path | None) -> Clock:
    """The clock that the settings ask for."""
    return SystemClock() if path is None else SteeredClock(path)


class Elapsed:
    """Seconds that have passed: by the machine or by a clock, whichever moved further since the last look. Never goes back.

    A wait that is measured so is over when a clock is set ahead, and no longer than it should be when a clock is set back.
    """

    def __init__(self, clock: Clock, machine: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._machine = clock, machine
        self._seen = (clock.now(), machine())
        self._seconds = 0.0

    def __call__(self) -> float:
        """Seconds since the beginning."""
        (before, machine_before), self._seen = self._seen, (self._clock.now(), self._machine())
        moved = (self._seen[0] - before).total_seconds()
        self._seconds += max(moved, self._seen[1] - machine_before)
        return self._seconds
