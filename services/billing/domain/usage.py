"""Whether a usage event counts. Pure: what is known is handed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.catalogue import Aggregation
from schemas.envelope import Event
from schemas.usage import UsageRecorded


@dataclass(frozen=True, slots=True)
class Service:
    """What counting needs to know of a service instance."""

    tenant_id: str
    activated_at: datetime
    closed_until: datetime
    meters: Mapping[str, Aggregation]


@dataclass(frozen=True, slots=True)
class Window:
    """The instants that usage may have: from the horizon of lateness to a little ahead of the clock."""

    earliest: datetime
    latest: datetime


def judge(event: Event[UsageRecorded], service: Service | None, window: Window) -> str | None:
    """None when the event counts; `unknown` when its service is not known yet; else the reason of the reject."""
    if service is None:
        return "unknown"
    if service.tenant_id != event.subject:
        return "wrong_tenant"
    if event.data.meter not in service.meters:
        return "meter_unknown"
    if (service.meters[event.data.meter] is Aggregation.UNIQUE_COUNT) != (event.data.value is not None):
        return "wrong_value"
    return _time_fault(event.time, service, window)


def _time_fault(at: datetime, service: Service, window: Window) -> str | None:
    if at > window.latest:
        return "in_future"
    if at < window.earliest:
        return "too_late"
    if at < service.activated_at:
        return "before_activation"
    return "period_closed" if at < service.closed_until else None
