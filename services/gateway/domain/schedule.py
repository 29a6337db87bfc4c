"""When a webhook is tried again: the schedule of Standard Webhooks, and what an answer means."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

RETRY_AFTER_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Waits between attempts (0, 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h)."""

ATTEMPTS = len(RETRY_AFTER_SECONDS) + 1
RETRY_AFTER_MAX_SECONDS = 86400.0
GONE, THROTTLED = 410, (429, 502, 503, 504)


class Outcome(StrEnum):
    """What an answer means."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"


class DeliveryState(StrEnum):
    """Where a notification stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeliveryVerdict:
    """What to do next; `wait_seconds` only where the receiver asked for a wait."""

    outcome: Outcome
    wait_seconds: float | None = None


def judge(status: int, retry_after: str | None, now: datetime) -> DeliveryVerdict:
    """2xx is delivered; 410 ends it; everything else, also 3xx, is tried again, after the wait asked for."""
    if 200 <= status < 300:
        return DeliveryVerdict(Outcome.DELIVERED)
    if status == GONE:
        return DeliveryVerdict(Outcome.GONE)
    if status in THROTTLED and retry_after is not None:
        return DeliveryVerdict(Outcome.RETRY, _asked_wait(retry_after.strip(), now))
    return DeliveryVerdict(Outcome.RETRY)


def _asked_wait(retry_after: str, now: datetime) -> float | None:
    """Seconds to wait, from a number or an HTTP date; None when it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:10]), RETRY_AFTER_MAX_SECONDS)
    try:
        asked = parsedate_to_datetime(retry_after)
        wait = (asked if asked.tzinfo else asked.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):  # no date, or one that no calendar has
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_MAX_SECONDS)


def next_wait_seconds(scheduled: float, verdict: DeliveryVerdict) -> float:
    """How long to wait: never shorter than the schedule, never shorter than the receiver asked."""
    return max(scheduled, verdict.wait_seconds or 0.0)
