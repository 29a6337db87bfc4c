"""Limits whose jobs fail: how much is tried of them, so that what is down is asked now and then, and not all the time."""

from collections.abc import Callable
from dataclasses import dataclass

from services.chassis.backoff import Backoff

REST = Backoff(first_seconds=0.1, max_seconds=2.0, jitter=0.0)
"""Between two jobs of a limit that fail in a row. An attempt costs milliseconds: one every other second is little work."""

FORGOTTEN_AFTER = 1800.0
"""Seconds without a further failure: the longest wait between two attempts of a job is shorter."""


@dataclass(slots=True)
class _Failing:
    in_a_row: int = 0
    rests_until: float = 0.0


class FailingLimits:
    """A limit whose last job failed has one place until one succeeds, and rests a while after each failure.

    Thousands of jobs of one party that is down would else be tried one after the other, as fast as they fail.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Failing] = {}

    def failed(self, limit: str) -> None:
        """A job of a limit is to be tried again."""
        known = self._known.setdefault(limit, _Failing())
        known.in_a_row += 1
        known.rests_until = self._clock() + REST.seconds(known.in_a_row)

    def succeeded(self, limit: str) -> None:
        """A job of a limit is done: it has all its places."""
        self._known.pop(limit, None)

    def trying(self) -> list[str]:
        """Those that have one place now."""
        now = self._clock()
        self._known = {
            limit: known
            for limit, known in self._known.items()
            if known.rests_until > now - FORGOTTEN_AFTER
        }
        return [limit for limit, known in self._known.items() if known.rests_until <= now]

    def resting(self) -> list[str]:
        """Those that have none for a moment."""
        now = self._clock()
        return [limit for limit, known in self._known.items() if known.rests_until > now]
