"""Deadlines of an alert: acknowledge, solve, and come on site, by severity. The Base tier (Mon-Fri 09:00-18:00)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from schemas.alerts import Visit
from schemas.signals import Severity
from services.monitoring.domain.calendar import WORKING_DAY_MINUTES, Calendar

VISIT_KM_MAX = 250
"""Beyond the radius of assignment nobody is near enough to come."""

_HOUR, _DAY = 60, WORKING_DAY_MINUTES


@dataclass(frozen=True, slots=True)
class Target:
    """Open minutes to acknowledge and to solve; whether someone comes."""

    acknowledge_minutes: int
    resolve_minutes: int | None
    on_site: bool


BASE: dict[Severity, Target] = {
    Severity.P1: Target(_HOUR, 8 * _HOUR, on_site=True),
    Severity.P2: Target(2 * _HOUR, 16 * _HOUR, on_site=True),
    Severity.P3: Target(8 * _HOUR, 5 * _DAY, on_site=False),
    Severity.P4: Target(2 * _DAY, None, on_site=False),
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When an alert must have been acknowledged, solved, visited."""

    acknowledge_by: datetime
    resolve_by: datetime | None
    visit: Visit


def deadlines(
    severity: Severity, opened_at: datetime, calendar: Calendar, distance_km: Decimal
) -> Deadlines:
    """The deadlines of an alert opened at an instant."""
    target = BASE[severity]
    eligible = target.on_site and distance_km <= VISIT_KM_MAX
    return Deadlines(
        acknowledge_by=calendar.after(opened_at, target.acknowledge_minutes),
        resolve_by=calendar.after(opened_at, target.resolve_minutes)
        if target.resolve_minutes
        else None,
        visit=Visit(
            eligible=eligible,
            due_at=calendar.next_working_day_end(opened_at) if eligible else None,
            distance_km=distance_km,
        ),
    )
