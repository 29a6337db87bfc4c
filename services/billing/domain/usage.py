"""Whether a usage event counts. Pure: what is known is handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

WAITS = "waits"
"""Not a reject: what the event is about is not known yet."""


class Said(Protocol):
    """What judging needs of an event."""

    @property
    def tenant_id(self) -> str:
        """In whose name."""
        ...

    @property
    def name(self) -> str:
        """What was measured."""
        ...

    @property
    def at(self) -> datetime:
        """When it happened."""
        ...

    @property
    def quantity(self) -> str | None:
        """A number, as it came."""
        ...

    @property
    def value(self) -> str | None:
        """An identifier."""
        ...

    @property
    def revision(self) -> int:
        """The catalogue revision that the door had seen."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """The meters of a service that read one measured name, and the dimensions they look at."""

    meters: tuple[str, ...]
    dimensions: tuple[str, ...]
    needs: str | None
    """`quantity`, `value` or `anything`, when that is all they need to be measured; None: it must be looked at."""


@dataclass(slots=True)
class Service:
    """A service instance as it was sold. `readings` is by measured name."""

    id: str
    tenant_id: str
    activated_at: datetime
    readings: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """The instants that usage may have, from the horizon of lateness to a little ahead of the clock; and what is known."""

    earliest: datetime
    latest: datetime
    revision: int = 0
    """The catalogue revision that counting has seen."""


def judge(event: Said, service: Service | None, window: Window) -> str | None:
    """None when the event counts; `waits` when it cannot be judged yet; else the reason of the reject."""
    if service is None:
        return WAITS
    if service.tenant_id != event.tenant_id:
        return "wrong_tenant"
    reading = service.readings.get(event.name)
    if reading is None:
        return WAITS if event.revision > window.revision else "meter_unknown"
    if (reading.needs == "quantity" and event.quantity is None) or (reading.needs == "value" and event.value is None):
        return "wrong_value"
    if event.at > window.latest:
        return "in_future"
    if event.at < window.earliest:
        return "too_late"
    return "before_activation" if event.at < service.activated_at else None
