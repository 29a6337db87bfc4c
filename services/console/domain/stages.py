"""How far an order, a service, an alert and a notification have come, as a page says it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum


class OrderStage(StrEnum):
    """How far an order has come."""

    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    """A person must decide."""
    DELAYED = "delayed"
    """It waits for a back-end."""
    SCHEDULED = "scheduled"
    """It waits for the day on which it takes effect."""
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def rank(self) -> int:
        """A fact that comes late never takes an order back to a lower rank."""
        return 3 if self in ENDED else 2


ENDED = frozenset(
    {OrderStage.COMPLETED, OrderStage.PARTIAL, OrderStage.FAILED, OrderStage.CANCELLED}
)
WAITING = (OrderStage.HELD, OrderStage.DELAYED, OrderStage.ACKNOWLEDGED, OrderStage.FAILED)
"""Orders that need a person."""


class ServiceStage(StrEnum):
    """Whether a service is there."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    REMOVED = "removed"
    """It has ended, and nothing of it is left in its back-ends."""
    FAILED = "failed"


def service_stage(
    stage: ServiceStage, facts: Iterable[tuple[ServiceStage, datetime]], at: datetime
) -> ServiceStage:
    """The stage of a service at an instant, by facts in the order of arrival; `stage` while none of them counts yet.

    An end is final. Of several facts about one instant the last one holds.
    """
    past = sorted((fact for fact in facts if fact[1] <= at), key=lambda fact: fact[1])
    for final in (ServiceStage.REMOVED, ServiceStage.ENDED):
        if any(found is final for found, _ in past):
            return final
    return past[-1][0] if past else stage


class DeliveryOutcome(StrEnum):
    """Whether the recipient was notified."""

    DELIVERED = "delivered"
    FAILED = "failed"
