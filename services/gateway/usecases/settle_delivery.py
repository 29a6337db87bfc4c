"""Keep what became of a notification, and publish it: delivered, or not for good."""

from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from services.chassis.unit import Unit
from services.gateway import store
from services.gateway.domain.schedule import DeliveryState
from services.gateway.store import sql

EXPLANATION_LENGTH_MAX = 500


async def delivered(notification_id: str, answer: str, unit: Unit) -> None:
    """Its recipient has it."""
    await sql.note_attempt(unit.db, id=notification_id, answer=answer)
    row = await store.settle_notification(
        unit.db, notification_id, DeliveryState.DELIVERED, answer, unit.now
    )
    unit.publish(
        DeliverySucceeded(
            notification_id=row.id, about=row.about, alert_id=row.alert_id, recipient=row.recipient,
            channel=row.channel, attempts=row.attempts, delivered_at=unit.now,
        ),
        subject=row.tenant_id,
    )  # fmt: skip


async def undeliverable(notification_id: str, why: str, unit: Unit) -> None:
    """The attempts are used up: the delivery log says so, and so does a fact. It can be sent again on demand."""
    row = await store.settle_notification(
        unit.db, notification_id, DeliveryState.FAILED, why, unit.now
    )
    unit.publish(
        DeliveryFailed(
            notification_id=row.id, about=row.about, alert_id=row.alert_id, recipient=row.recipient,
            channel=row.channel, attempts=max(row.attempts, 1), explanation=why[:EXPLANATION_LENGTH_MAX],
        ),
        subject=row.tenant_id,
    )  # fmt: skip
