"""Civil time: billing thinks in the tenant's days and months, half open, and stores instants in UTC."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """The civil days `[start, end)`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError("a span of days may not end before it starts")

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range(len(self)))

    @property
    def last(self) -> date:
        """The inclusive last day, as documents show it."""
        return self.end - timedelta(days=1)

    def cut(self, other: "Days") -> "Days":
        """What both have in common; empty when nothing."""
        start = max(self.start, other.start)
        return Days(start, max(start, min(self.end, other.end)))


@lru_cache(maxsize=10_000)
def month_of(day: date) -> Days:
    """The civil month a day lies in."""
    start = day.replace(day=1)
    return Days(start, start + timedelta(days=monthrange(day.year, day.month)[1]))


def next_boundary(day: date) -> date:
    """The first day of the month after a day's."""
    return month_of(day).end


def months(first: date, last: date) -> list[Days]:
    """The civil months from the one of `first` to the one of `last`, both included."""
    found = [month_of(first)]
    while found[-1].end <= last:
        found.append(month_of(found[-1].end))
    return found


def anchored(anchor: date, months_later: int) -> date:
    """Boundary k of an anchor: the original anchor plus k months, the day clamped to the month's length.

    Always from the original anchor: from the 31st of January the boundary after the 28th of February is the 31st of March.
    """
    index = anchor.year * 12 + anchor.month - 1 + months_later
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a civil day begins, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def civil_day(instant: datetime, zone: ZoneInfo) -> date:
    """The civil day an instant lies in."""
    return instant.astimezone(zone).date()


def hours(days: Days, zone: ZoneInfo) -> int:
    """The true hours of a span: 745 in an October that repeats one, 743 in a March that skips one."""
    return int((midnight(days.end, zone) - midnight(days.start, zone)) / timedelta(hours=1))
