"""What a tenant has ordered of a service, over time: facts of one component each, in whatever order they arrive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas.quantities import BASE
from services.billing.domain.periods import Days, civil_day


@dataclass(frozen=True, slots=True)
class QuantityFact:
    """From an instant on, a service has so much of one component."""

    name: str
    effective_at: datetime
    quantity: Decimal


PRESENT: Mapping[str, Decimal] = {BASE: Decimal(1)}
"""What a service has whose plan sells nothing by the month: that it exists is a fact as well, with an instant."""


@dataclass(frozen=True, slots=True)
class Change:
    """All quantities of a service from a civil day on."""

    day: date
    quantities: Mapping[str, Decimal]


def starts_at(effective_at: datetime, activated_at: datetime | None, zone: ZoneInfo) -> datetime:
    """From when a service is charged: from the day that was ordered, but not from before the day on which it served."""
    if activated_at is None or civil_day(activated_at, zone) <= civil_day(effective_at, zone):
        return effective_at
    return activated_at


def served_days(changes: Sequence[Change], month: Days) -> int:
    """On how many days of a month a service had something: from its start until all of it was taken back."""
    ends = [change.day for change in changes[1:]] + [month.end]
    return sum(
        max(0, (min(end, month.end) - max(change.day, month.start)).days)
        for change, end in zip(changes, ends, strict=True)
        if any(change.quantities.values())
    )


def timeline(facts: Sequence[QuantityFact], start: datetime, zone: ZoneInfo) -> list[Change]:
    """A service's quantities by civil day, from the day it starts on. `facts` are in the order of arrival.

    What lies before the start counts from the start. Of several facts about one component and day, the one of the latest
    instant holds; of those, the one that was told last.
    """
    by_day: dict[date, dict[str, Decimal]] = {}
    for fact in sorted(facts, key=lambda fact: max(fact.effective_at, start)):
        day = civil_day(max(fact.effective_at, start), zone)
        by_day.setdefault(day, {})[fact.name] = fact.quantity
    changes: list[Change] = []
    quantities: dict[str, Decimal] = {}
    for day in sorted(by_day):
        quantities = quantities | by_day[day]
        changes.append(Change(day, quantities))
    return changes
