"""Whether usage counts. Pure: what is known is handed in.

Events are validated per group: those of one tenant, service, measured name, sender and quarter of an hour. Their instants are
checked one by one only where that quarter straddles a limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.reasons import Reason

WAITS = "waits"
"""Not a reject: what the event is about is not known yet."""

QUARTER = timedelta(minutes=15)
"""Every zone in use is a whole number of quarters from UTC: what lies in one quarter lies in one civil hour."""

_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


class EventGroup(NamedTuple):
    """What usage events have in common that are judged, and added up, alike."""

    tenant_id: str
    service_id: str
    name: str
    """What was measured."""
    is_quantity: bool
    """Whether a quantity was measured; else a value."""
    revision: int
    """The catalogue revision that the door had seen."""
    quarter: int
    """Quarters of an hour since the year 1, UTC."""
    principal: str | None = None
    """Who sent it; None for what came through no door."""

    @property
    def starts(self) -> datetime:
        """When its quarter of an hour begins."""
        return start_of(self.quarter)


def start_of(quarter: int) -> datetime:
    """When a quarter of an hour begins."""
    return _YEAR_ONE + quarter * QUARTER


def quarter_of(at: datetime) -> int:
    """The quarter of an hour that an instant in UTC lies in."""
    return ((at.toordinal() - 1) * 24 + at.hour) * 4 + at.minute // 15


@dataclass(frozen=True, slots=True)
class MeterReading:
    """The meters of a service that read one measured name, and the dimensions they look at."""

    meters: tuple[str, ...]
    dimensions: tuple[str, ...]
    needs: str | None
    """`quantity`, `value` or `anything`, when that is all they need to be measured; None: it must be looked at."""


@dataclass(slots=True)
class MeteredService:
    """A service instance as it was sold. `readings` is by measured name."""

    id: str
    tenant_id: str
    activated_at: datetime
    readings: Mapping[str, MeterReading] = field(default_factory=dict)
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The instants that usage may have, from the horizon of lateness to a little ahead of the clock; and what is known."""

    earliest: datetime
    latest: datetime
    revision: int = 0
    """The catalogue revision that counting has seen."""

    def covers(self, starts: datetime, service: MeteredService) -> bool:
        """Whether every instant of the quarter that begins there is in time for a service."""
        latest = self.latest if service.ended_at is None else min(self.latest, service.ended_at)
        return max(self.earliest, service.activated_at) <= starts <= latest - QUARTER


def judge(events: EventGroup, service: MeteredService | None, window: Window) -> str | None:
    """None when such events count, if they are in time; `waits` when that cannot be said yet; else why not."""
    if service is None:
        return WAITS
    if service.tenant_id != events.tenant_id:
        return Reason.WRONG_TENANT
    reading = service.readings.get(events.name)
    if reading is None:
        return WAITS if events.revision > window.revision else Reason.UNKNOWN_METER
    if (
        reading.needs in ("quantity", "value")
        and (reading.needs == "quantity") is not events.is_quantity
    ):
        return Reason.WRONG_VALUE
    return None


def judge_time(at: datetime, service: MeteredService, window: Window) -> str | None:
    """None when an event of that instant counts, else why not."""
    if at > window.latest:
        return Reason.TIME_IN_FUTURE
    if at < window.earliest:
        return Reason.TIME_TOO_OLD
    if service.ended_at is not None and at >= service.ended_at:
        return Reason.ENDED
    return Reason.BEFORE_ACTIVATION if at < service.activated_at else None
