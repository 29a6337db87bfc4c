"""How often a sender is notified of its rejects: at once of the first, then of how many more there were meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NOTICE_EVERY = timedelta(minutes=5)
"""Of one sender and reason. A portal that sends ten thousand wrong events gets a notification, and another for the rest."""


@dataclass(frozen=True, slots=True)
class Notice:
    """When a sender was last notified of rejects for a reason, and how many it was not notified of since."""

    notified_at: datetime | None = None
    more: int = 0

    def is_due(self, now: datetime) -> bool:
        """Whether the next reject is notified at once; also when the clock was set back."""
        return self.notified_at is None or not (
            self.notified_at <= now < self.notified_at + NOTICE_EVERY
        )

    @property
    def next_at(self) -> datetime | None:
        """When the sender is notified of what came meanwhile; None when nothing did."""
        return self.notified_at + NOTICE_EVERY if self.notified_at and self.more else None

    def heard(self, now: datetime) -> "Notice":
        """The sender was notified of all."""
        return Notice(now)

    def further(self, count: int) -> "Notice":
        """So many more came, of which it was not."""
        return Notice(self.notified_at, self.more + count)
