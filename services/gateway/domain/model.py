"""What the gateway keeps of notifications and of those they are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.deliveries import Channel
from services.gateway.domain.schedule import DeliveryState


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification to a recipient: a fact, over a channel."""

    id: str
    recipient: str
    """A reseller's id, or the operator."""
    channel: Channel
    about: str
    """The type of the fact."""
    tenant_id: str
    alert_id: str | None
    event: Mapping[str, Any]
    """The fact's id, time and data."""
    state: DeliveryState
    attempts: int


@dataclass(frozen=True, slots=True)
class NotifiedReseller:
    """A reseller and its webhook; secrets and persons are sealed."""

    id: str
    name: str
    webhook_url: str
    webhook_secret: bytes
    webhook_closed_at: datetime | None
    contact: bytes


@dataclass(frozen=True, slots=True)
class NamedTenant:
    """A tenant by its names; the person to call is sealed."""

    id: str
    external_id: str | None
    """None while only the tenant's reseller is known."""
    name: str | None
    reseller_id: str | None
    contact: bytes | None
