"""When a webhook is tried again: the schedule of Standard Webhooks, and what an answer means."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do next; `wait_seconds` only where the receiver asked for a wait."""

    outcome: Outcome
    wait_seconds: float | None = None


def judge(status: int, retry_after: str | None) -> Verdict:
    """2xx is delivered; 410 ends it; everything else, also 3xx, is tried again, after the wait asked for."""
    if 200 <= status < 300:
        return Verdict(Outcome.DELIVERED)
    if status == GONE:
        return Verdict(Outcome.GONE)
    if status in THROTTLED and retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return Verdict(Outcome.RETRY, min(float(retry_after), RETRY_AFTER_MAX_SECONDS))
    return Verdict(Outcome.RETRY)
