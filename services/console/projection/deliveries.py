"""Who was notified of what."""

from typing import Any

from schemas.alerts import AlertOpened
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.domain.stages import DeliveryOutcome
from services.console.projection.alerts import stamp_alert
from services.console.store import sql


async def delivery_succeeded(event: Event[DeliverySucceeded], unit: Unit) -> None:
    """A notification was delivered."""
    data = event.data
    await _delivery(event, unit, DeliveryOutcome.DELIVERED, data.delivered_at, None)
    if data.alert_id is not None and data.about == AlertOpened.wire_type:
        await stamp_alert(data.alert_id, unit, notified_at=data.delivered_at)


async def delivery_failed(event: Event[DeliveryFailed], unit: Unit) -> None:
    """A notification failed."""
    await _delivery(event, unit, DeliveryOutcome.FAILED, event.time, event.data.explanation)


async def _delivery(
    event: Event[Any], unit: Unit, outcome: DeliveryOutcome, at: Any, explanation: str | None
) -> None:
    data = event.data
    await sql.put_delivery(
        unit.db, id=data.notification_id, tenant_id=event.subject, alert_id=data.alert_id, recipient=data.recipient,
        channel=data.channel, about=data.about, state=outcome, attempts=data.attempts, at=at, explanation=explanation,
    )  # fmt: skip
