"""How much one reseller may begin by itself; what goes beyond waits for a person.

A key that leaked, or a program gone wrong, must not make more databases in a night than the operator meant to pay for.
"""

from dataclasses import dataclass
from datetime import timedelta

WINDOW = timedelta(days=1)
"""A quota "per day" counts the last 24 hours, so that midnight doubles nobody's quota."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one reseller may begin: new firms and services in a day, and services in the making at one time."""

    firms_per_day: int = 100
    services_per_day: int = 500
    services_in_progress: int = 300

    def firm_fault(self, firms: int) -> str | None:
        """Why one more new firm waits for a person, when `firms` were placed in the last day; None: it need not."""
        if firms < self.firms_per_day:
            return None
        return _said(
            f"{firms} new firms were placed for this sender in 24 hours", self.firms_per_day
        )

    def services_fault(self, begun: int, in_progress: int, asked: int) -> str | None:
        """Why an order that adds `asked` services waits for a person; None: it need not.

        `begun` counts the sender's services of the last day, `in_progress` those that are being made or undone now.
        """
        if asked == 0:
            return None
        if begun + asked > self.services_per_day:
            return _said(
                f"this sender began {begun} services in 24 hours and asks for {asked}",
                self.services_per_day,
            )
        if in_progress + asked > self.services_in_progress:
            return _said(
                f"{in_progress} services of this sender are in progress and it asks for {asked}",
                self.services_in_progress,
            )
        return None


def _said(found: str, allowed: int) -> str:
    return f"{found}; {allowed} are allowed: the operator releases this order or refuses it"
