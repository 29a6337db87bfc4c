"""Alerts: trouble of a tenant's service, its deadlines, and who has it in hand."""

from enum import StrEnum

from schemas.envelope import Payload
from schemas.scalars import (
    Instant,
    Key,
    NonNegativeQuantity,
    ResellerOfAlert,
    ShortText,
    Text,
    Uuid,
    Value,
)
from schemas.signals import Severity
from schemas.topics import ALERTS


class AlertKind(StrEnum):
    """What went wrong."""

    HEARTBEAT_MISSING = "heartbeat_missing"
    PROVISIONING_FAILED = "provisioning_failed"
    INCIDENT = "incident"


class EscalationReason(StrEnum):
    """Why the operator joins."""

    NOT_ACKNOWLEDGED = "not_acknowledged"
    DELIVERY_FAILED = "delivery_failed"
    NO_RESELLER = "no_reseller"


class AlertState(StrEnum):
    """Life of an alert. `escalated` is still open: the provider's desk has joined."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class Visit(Value):
    """Whether a technician may come, from how far, and by when."""

    eligible: bool
    due_at: Instant | None
    distance_km: NonNegativeQuantity


class AlertOpened(Payload, type="vicino.alert.opened.v1", topic=ALERTS):
    """Trouble was noticed; the tenant's assigned reseller is to be notified. The gateway adds the people's names."""

    alert_id: Uuid
    kind: AlertKind
    severity: Severity
    service_id: Uuid
    sku: Key
    reseller_id: ResellerOfAlert
    summary: Text
    opened_at: Instant
    acknowledge_by: Instant
    resolve_by: Instant | None
    visit: Visit


class AlertRaised(Payload, type="vicino.alert.raised.v1", topic=ALERTS):
    """An open alert became more severe: it is sent again, with the deadlines of its new severity.

    What was acknowledged before must be acknowledged again.
    """

    alert_id: Uuid
    kind: AlertKind
    severity: Severity
    before: Severity
    state: AlertState
    """`open`, or `escalated`: then the operator is notified as well."""
    service_id: Uuid
    sku: Key
    reseller_id: ResellerOfAlert
    summary: Text
    raised_at: Instant
    acknowledge_by: Instant
    resolve_by: Instant | None
    visit: Visit


class AlertAcknowledged(Payload, type="vicino.alert.acknowledged.v1", topic=ALERTS):
    """The reseller took the alert in hand; it will not escalate for want of an answer."""

    alert_id: Uuid
    reseller_id: ResellerOfAlert
    by: ShortText
    acknowledged_at: Instant


class AlertEscalated(Payload, type="vicino.alert.escalated.v1", topic=ALERTS):
    """Nobody acknowledged in time, or the notification failed: the operator joins; the reseller stays the contact."""

    alert_id: Uuid
    reseller_id: ResellerOfAlert
    service_id: Uuid
    sku: Key
    summary: Text
    acknowledge_by: Instant
    escalated_at: Instant
    reason: Key = EscalationReason.NOT_ACKNOWLEDGED
    """`not_acknowledged`, `delivery_failed` or `no_reseller`."""


class AlertResolved(Payload, type="vicino.alert.resolved.v1", topic=ALERTS):
    """The trouble is over."""

    alert_id: Uuid
    reseller_id: ResellerOfAlert
    by: ShortText
    resolved_at: Instant
