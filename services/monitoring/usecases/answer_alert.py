"""Carry out the answer of a reseller, or of the operator, to an alert; and keep whether it could be told at all."""

from schemas.alerts import AlertEscalated, AlertOpened, AlertRaised, EscalationReason
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event, Payload
from schemas.identity import OPERATOR
from schemas.reasons import Reason
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.monitoring import metrics, store
from services.monitoring.domain.alerts import Move
from services.monitoring.store import sql
from services.monitoring.usecases.check_speaker import NOT_YOURS
from services.monitoring.usecases.move_alert import move_alert

ALERT_UNKNOWN = Reason.UNKNOWN_ALERT, "no such alert of this tenant"


async def answer_alert(
    event: Event[Payload], alert_id: str, step: Move, by: str, unit: Unit
) -> None:
    """Only the tenant's reseller, or the operator, may answer; an answer that changes nothing is no error.

    Raises `Missing` while the alert is not known, and `Rejected`: `unknown_alert`, `not_yours`.
    """
    alert = await store.lock_alert(unit.db, alert_id)
    if alert is None:
        raise Missing(*ALERT_UNKNOWN)
    if alert.tenant_id != event.subject:
        raise Rejected(*ALERT_UNKNOWN)
    responsible = await store.responsible(unit.db, event.subject)
    if event.principal not in (responsible.reseller_id, OPERATOR):
        raise Rejected(*NOT_YOURS)
    await move_alert(alert_id, step, by, unit)


async def note_delivered(data: DeliverySucceeded, unit: Unit) -> None:
    """The recipient has the alert. Raises `Missing` while it is not known."""
    if data.alert_id is not None:
        await _must_know(data.alert_id, unit)
        await sql.note_notified(unit.db, id=data.alert_id, at=data.delivered_at)


async def note_undelivered(data: DeliveryFailed, unit: Unit) -> None:
    """A notification failed for good: the next recipient is notified at once, whatever the calendar says.

    Raises `Missing` while the alert is not known.
    """
    if data.alert_id is None:
        return
    await _must_know(data.alert_id, unit)
    if data.about in (AlertOpened.wire_type, AlertRaised.wire_type) and data.recipient != OPERATOR:
        await move_alert(
            data.alert_id, Move.ESCALATE, "delivery", unit, EscalationReason.DELIVERY_FAILED
        )
    elif data.about in (AlertEscalated.wire_type, AlertRaised.wire_type):
        metrics.UNTOLD.inc()


async def _must_know(alert_id: str, unit: Unit) -> None:
    """An alert that was reported is opened again after a restore, by a job. Raises `Missing` until then."""
    if await sql.is_known_alert(unit.db, id=alert_id) is None:
        raise Missing(*ALERT_UNKNOWN)
