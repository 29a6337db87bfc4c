"""Invoice runs: when one is due, and which usage comes too late for it."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.billing.domain.periods import civil_day, midnight, next_boundary

_RUN = "run"


class OpenRun(NamedTuple):
    """A tenant's first run that is not done. What is stored after `as_of` is not in it."""

    boundary: date
    as_of: datetime


def due_at(boundary: date, zone: ZoneInfo, grace_hours: int) -> datetime:
    """When a run is finalised."""
    return midnight(boundary, zone) + timedelta(hours=grace_hours)


def run_key(tenant_id: str, boundary: date) -> str:
    """What usage waits for that is too late for a run which is not done yet."""
    return f"{_RUN}|{tenant_id}|{boundary}"


def missed(
    at: datetime, zone: ZoneInfo, run: OpenRun, now: datetime, grace_hours: int
) -> date | None:
    """The boundary whose run usage of an instant has missed, while that run or one before it is still to be done."""
    boundary = next_boundary(civil_day(at, zone))
    too_late = now > max(run.as_of, due_at(boundary, zone, grace_hours))
    return boundary if too_late and boundary >= run.boundary else None
