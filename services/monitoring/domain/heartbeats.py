"""Signs of life: the first heartbeat starts a timer, each further one starts it again.

Silence is judged by what the log says: a service is silent when its beat is overdue, all that the log held at that instant
has been read, and the door says that beats could come in all the while: it sends pulses by the way that beats take.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GRACE_FACTOR = 1.5
"""A beat may be half an interval late."""

CLOSED_COUNTS = timedelta(days=1)
"""For how long at most a beat is excused because the door was closed in between: a door that fails every hour must not
hide a silent service for ever."""


class SilenceVerdict(StrEnum):
    """What a beat that did not come means."""

    SILENT = "silent"
    EARLY = "early"
    """Its time is not over: look again when it is."""
    UNREAD = "unread"
    """The log may hold it: wait until it is read."""
    CLOSED = "closed"
    """Perhaps it could not come in: wait until the door says that it was open."""


@dataclass(frozen=True, slots=True)
class WayIn:
    """What the pulses of the door say: it was open all the time from `open_since` to `pulse_at`."""

    pulse_at: datetime
    open_since: datetime

    def after(self, pulse_at: datetime, open_since: datetime) -> "WayIn":
        """With one more pulse, of this copy of the door or of another, in whatever order they come."""
        earlier, later = sorted([self, WayIn(pulse_at, open_since)], key=lambda way: way.pulse_at)
        if later.open_since <= earlier.pulse_at:
            return WayIn(later.pulse_at, min(earlier.open_since, later.open_since))
        return later


def silent_from(beat_at: datetime, interval_seconds: int) -> datetime:
    """When silence after a beat becomes trouble."""
    return beat_at + timedelta(seconds=interval_seconds * GRACE_FACTOR)


def due_at(beat_at: datetime, interval_seconds: int, way_in: WayIn | None) -> datetime:
    """When silence after a beat is to be judged. Without a way in that gives pulses, only the beat counts."""
    due = silent_from(beat_at, interval_seconds)
    if way_in is None or way_in.open_since <= beat_at:
        return due
    return min(silent_from(way_in.open_since, interval_seconds), due + CLOSED_COUNTS)


def judge(
    now: datetime, beat_at: datetime, interval_seconds: int, way_in: WayIn | None, *, is_read: bool
) -> SilenceVerdict:  # fmt: skip
    """What it means that no beat is known after `beat_at`. `is_read`: all that the log held when silence was due was read."""
    due = due_at(beat_at, interval_seconds, way_in)
    if now < due:
        return SilenceVerdict.EARLY
    if not is_read:
        return SilenceVerdict.UNREAD
    if way_in is not None and way_in.pulse_at < due:
        return SilenceVerdict.CLOSED
    return SilenceVerdict.SILENT
