"""Deliveries: whether a notification reached its recipient."""

from enum import StrEnum

from pydantic import Field

from schemas.envelope import Payload
from schemas.scalars import Instant, Key, ShortText, Text, Uuid
from schemas.topics import DELIVERIES


class Channel(StrEnum):
    """How a notification left."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliverySucceeded(Payload, type="vicino.delivery.succeeded.v1", topic=DELIVERIES):
    """The recipient answered that it has the notification."""

    notification_id: Uuid
    """The `webhook-id`; the same for every attempt."""
    about: ShortText
    """The wire type of the event that was sent."""
    alert_id: Uuid | None = None
    recipient: Key
    channel: Channel
    attempts: int = Field(ge=1)
    delivered_at: Instant


class DeliveryFailed(Payload, type="vicino.delivery.failed.v1", topic=DELIVERIES):
    """The attempts are used up, or the recipient said never again. Can be sent again on demand."""

    notification_id: Uuid
    about: ShortText
    alert_id: Uuid | None = None
    recipient: Key
    channel: Channel
    attempts: int = Field(ge=1)
    explanation: Text


class WebhookTested(Payload, type="vicino.webhook.tested.v1", topic=DELIVERIES):
    """A reseller asked for a notification that means nothing, to see whether its receiver works."""

    reseller_id: Key
