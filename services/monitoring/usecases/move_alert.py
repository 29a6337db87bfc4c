"""Acknowledge, escalate or resolve an alert, and say so."""

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertResolved,
    AlertState,
    EscalationReason,
)
from services.chassis.unit import Unit
from services.monitoring import metrics, store
from services.monitoring.domain.alerts import Move, after
from services.monitoring.domain.model import Alert
from services.monitoring.job_kinds import escalate
from services.monitoring.store import sql


async def move_alert(
    alert_id: str,
    step: Move,
    by: str,
    unit: Unit,
    reason: EscalationReason = EscalationReason.NOT_ACKNOWLEDGED,
) -> AlertState | None:
    """Move an alert; None when it does not change. Raises `LookupError` for an alert nobody knows."""
    alert = await store.lock_alert(unit.db, alert_id)
    if alert is None:
        raise LookupError(alert_id)
    state = after(alert.state, step)
    if state is None:
        return None
    await sql.set_state(unit.db, id=alert_id, state=state)
    metrics.ALERTS.labels(alert.kind, state).inc()
    unit.publish(_fact(alert, state, by, reason, unit), subject=alert.tenant_id)
    if state is not AlertState.ESCALATED:
        unit.cancel(escalate, alert_id)
    return state


def _fact(
    alert: Alert, state: AlertState, by: str, reason: EscalationReason, unit: Unit
) -> AlertAcknowledged | AlertEscalated | AlertResolved:
    if state is AlertState.ESCALATED:
        return AlertEscalated(
            alert_id=alert.id, reseller_id=alert.reseller_id, service_id=alert.service_id, sku=alert.sku,
            summary=alert.summary, acknowledge_by=alert.acknowledge_by, escalated_at=unit.now,
            reason=reason if alert.reseller_id else EscalationReason.NO_RESELLER,
        )  # fmt: skip
    if state is AlertState.ACKNOWLEDGED:
        return AlertAcknowledged(
            alert_id=alert.id, reseller_id=alert.reseller_id, by=by, acknowledged_at=unit.now
        )
    return AlertResolved(
        alert_id=alert.id, reseller_id=alert.reseller_id, by=by, resolved_at=unit.now
    )
