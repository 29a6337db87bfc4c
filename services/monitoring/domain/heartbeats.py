"""Signs of life: the first beat arms a dead man's switch, each further one winds it up again."""

from datetime import datetime, timedelta

GRACE_FACTOR = 1.5
"""A beat may be half an interval late."""


def silent_from(beat_at: datetime, interval_seconds: int) -> datetime:
    """When silence after a beat becomes trouble."""
    return beat_at + timedelta(seconds=interval_seconds * GRACE_FACTOR)
