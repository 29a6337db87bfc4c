"""The account of outcomes: every record ends as exactly one thing, and why."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from schemas.reasons import Reason
from services.billing import metrics
from services.billing.metering.arrivals import Arrival
from services.billing.store import sql
from services.chassis.database import Connection

EXPLAINED: dict[str, str] = {
    Reason.ID_REUSE: "this id came before with other content",
    Reason.NOT_YOURS: "the tenant is another reseller's",
    Reason.WRONG_TENANT: "the service belongs to another tenant",
    Reason.UNKNOWN_METER: "no meter of the service's plan reads this",
    Reason.WRONG_VALUE: "the meter wants a quantity, or a value, and got the other",
    Reason.TIME_IN_FUTURE: "it would have happened further in the future than clocks may be apart",
    Reason.TIME_TOO_OLD: "it happened too long ago for any door to have let it in",
    Reason.BEFORE_ACTIVATION: "the service was not active yet",
    Reason.ENDED: "the service had ended",
}
# Shown from the start: in a counter that appears with its first event, Prometheus sees no increase.
for _reason in EXPLAINED:
    metrics.USAGE.labels("rejected", _reason)


Refusal: TypeAlias = tuple[Arrival, str, str]
"""An event that was read and cannot count; the reason, and the reason in words."""


def explained(arrival: Arrival, reason: str) -> Refusal:
    """A refusal for a known reason."""
    return arrival, reason, EXPLAINED.get(reason, reason)


@dataclass(slots=True)
class Account:
    """What became of each record, and why."""

    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)

    def add(self, outcome: str, reason: str = "", n: int = 1) -> None:
        """So many more."""
        self.tally[(outcome, reason)] += n

    def refuse(self, arrival: Arrival, reason: str, detail: str = "") -> None:
        """One that was read, and cannot count."""
        self.add("rejected", reason)
        self.refused.append((arrival, reason, detail) if detail else explained(arrival, reason))

    def merge(self, other: "Account") -> None:
        """What became of others."""
        self.tally.update(other.tally)  # not `+=`, which drops what is below zero
        self.refused += other.refused

    async def write(self, db: Connection, part: int) -> None:
        """Into the account of the partition, and the metrics."""
        entries = [(outcome, reason, n) for (outcome, reason), n in self.tally.items() if n]
        if not entries:
            return
        outcomes, reasons, ns = zip(*entries, strict=True)
        await sql.add_tally(db, part=part, outcomes=outcomes, reasons=reasons, ns=ns)
        for outcome, reason, n in entries:
            # What leaves the parked ones is counted elsewhere.
            metrics.USAGE.labels(outcome, reason).inc(max(n, 0))
