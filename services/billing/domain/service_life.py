"""The life of a service after it started: when it was suspended, and when it ended; by civil days, as fees count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from schemas.tenants import LifeState
from services.billing.domain.periods import Days, civil_day
from services.billing.domain.quantities import Change


@dataclass(frozen=True, slots=True)
class StateFact:
    """From an instant on, a service is in a state."""

    state: LifeState
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Life:
    """When a service was suspended, and when it ended."""

    suspended: tuple[Days, ...] = ()
    """In their order, apart from each other; one that lasts goes on to the end of time."""
    ended_at: datetime | None = None
    """From this instant on nothing of it is used; from its civil day on it costs no fee."""
    ended: date | None = None

    def active_in(self, days: Days, started: date) -> Days:
        """The days on which the service is there: from its start to the day before its end."""
        return days.cut(Days(started, max(started, self.ended or date.max)))


WHOLE = Life()
"""Neither suspended nor ended."""


def life(facts: Sequence[StateFact], start: datetime, zone: ZoneInfo) -> Life:
    """What facts come to, in the order of arrival.

    What lies before the start counts from the start. The state of a day is that of its latest instant; of several facts
    about one instant, the last one holds. An end is final: of several the earliest counts, and nothing after it does.
    """
    if not facts:
        return WHOLE
    ends = [max(fact.effective_at, start) for fact in facts if fact.state is LifeState.ENDED]
    ended_at = min(ends, default=None)
    ended = None if ended_at is None else civil_day(ended_at, zone)
    by_day: dict[date, LifeState] = {}
    for fact in sorted(facts, key=lambda fact: max(fact.effective_at, start)):
        if fact.state is not LifeState.ENDED:
            by_day[civil_day(max(fact.effective_at, start), zone)] = fact.state
    return Life(_suspended(by_day, ended or date.max), ended_at, ended)


def _suspended(by_day: dict[date, LifeState], end: date) -> tuple[Days, ...]:
    found: list[Days] = []
    since: date | None = None
    for day in sorted(by_day):
        if day >= end:
            break
        if by_day[day] is LifeState.SUSPENDED:
            since = since or day
        elif since is not None:
            found.append(Days(since, day))
            since = None
    return (*found, Days(since, end)) if since is not None else tuple(found)


def until_end(changes: Sequence[Change], ended: date | None) -> list[Change]:
    """The quantities of a service that ends on a day: none from that day on."""
    if ended is None or not changes:
        return list(changes)
    kept = [change for change in changes if change.day < ended]
    return [*kept, Change(max(ended, changes[0].day), {})]


def without(changes: Sequence[Change], free: Sequence[Days]) -> Sequence[Change]:
    """The same quantities, and none on days that are free. `free` is in order, and its spans lie apart."""
    found = changes
    for days in free:
        if changes and days.end > changes[0].day and len(days):
            found = _emptied(found, Days(max(days.start, changes[0].day), days.end))
    return found


def _emptied(changes: Sequence[Change], days: Days) -> list[Change]:
    before = [change for change in changes if change.day < days.start]
    after = [change for change in changes if change.day >= days.end]
    resumed = [change for change in changes if change.day <= days.end][-1:]
    if days.end == date.max or (after and after[0].day == days.end):
        resumed = []
    return [*before, Change(days.start, {}), *(Change(days.end, one.quantities) for one in resumed), *after]  # fmt: skip
