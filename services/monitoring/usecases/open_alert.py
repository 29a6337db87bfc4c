"""Open an alert for the tenant's reseller, or raise the one that is open for the same trouble."""

from datetime import datetime

from schemas.alerts import AlertOpened, AlertRaised, AlertState
from services.chassis.unit import Unit
from services.monitoring import metrics, store
from services.monitoring.domain.alerts import is_more_severe, raised
from services.monitoring.domain.calendar import Calendar
from services.monitoring.domain.model import ALERT_MAY_COME_AGAIN, Alert, Trouble, alert_id_of
from services.monitoring.domain.sla import Deadlines, deadlines
from services.monitoring.job_kinds import Escalate, escalate
from services.monitoring.store import sql

OPENING_TRIES = 8
"""How often an alert may be resolved between a try to open one like it and a look at it."""


async def open_alert(trouble: Trouble, unit: Unit) -> None:
    """Open an alert; if one is open for the same trouble, raise it when this is more severe.

    The same fact, and one that an earlier build has acted on, opens nothing.
    """
    responsible = await store.responsible(unit.db, trouble.tenant_id)
    due = deadlines(
        trouble.severity, unit.now, Calendar(responsible.provincia), responsible.distance_km
    )
    if await _acted_before(trouble, unit):
        return
    for _ in range(OPENING_TRIES):
        added = await sql.open_alert(
            unit.db, id=trouble.alert_id, fingerprint=trouble.fingerprint, tenant_id=trouble.tenant_id,
            service_id=trouble.service_id, sku=trouble.sku, kind=trouble.kind, severity=trouble.severity,
            reseller_id=responsible.reseller_id, summary=trouble.summary, opened_at=unit.now,
            acknowledge_by=due.acknowledge_by,
        )  # fmt: skip
        if added is not None:
            _publish_opened(trouble, responsible.reseller_id, due, unit)
            return
        if alert := await store.lock_open_alert(unit.db, trouble.fingerprint):
            await _raise(alert, trouble, due, unit)
            return
        if await sql.is_known_alert(unit.db, id=trouble.alert_id):
            return
    raise RuntimeError(f"an alert like {trouble.alert_id} is opened and resolved over and over")


async def _acted_before(trouble: Trouble, unit: Unit) -> bool:
    if trouble.cause_before is None:
        return False
    alert_id, since = alert_id_of(trouble.cause_before), unit.now - ALERT_MAY_COME_AGAIN
    return (
        await sql.alert_before(unit.db, id=alert_id, tenant_id=trouble.tenant_id, since=since)
        is not None
    )


def _publish_opened(trouble: Trouble, reseller_id: str | None, due: Deadlines, unit: Unit) -> None:
    metrics.ALERTS.labels(trouble.kind, "opened").inc()
    unit.publish(
        AlertOpened(
            alert_id=trouble.alert_id, kind=trouble.kind, severity=trouble.severity, service_id=trouble.service_id,
            sku=trouble.sku, reseller_id=reseller_id, summary=trouble.summary, opened_at=unit.now,
            acknowledge_by=due.acknowledge_by, resolve_by=due.resolve_by, visit=due.visit,
        ),
        subject=trouble.tenant_id,
    )  # fmt: skip
    _arm(trouble.alert_id, reseller_id, due.acknowledge_by, unit)


def _arm(alert_id: str, reseller_id: str | None, acknowledge_by: datetime, unit: Unit) -> None:
    """Escalate when the time to answer is over; at once where there is no reseller who could answer."""
    unit.enqueue(
        escalate,
        Escalate(alert_id=alert_id),
        at=acknowledge_by if reseller_id else unit.now,
        key=alert_id,
    )


async def _raise(alert: Alert, trouble: Trouble, due: Deadlines, unit: Unit) -> None:
    """Raise an open alert to more severe trouble and report it again; what is not more severe changes nothing."""
    state = raised(alert.state)
    if state is None or not is_more_severe(trouble.severity, alert.severity):
        return
    # Still unanswered, it is never given longer than it had.
    unanswered = alert.state is AlertState.OPEN
    acknowledge_by = (
        min(alert.acknowledge_by, due.acknowledge_by) if unanswered else due.acknowledge_by
    )
    await sql.raise_alert(
        unit.db, id=alert.id, severity=trouble.severity, summary=trouble.summary, state=state,
        acknowledge_by=acknowledge_by,
    )  # fmt: skip
    metrics.ALERTS.labels(alert.kind, "raised").inc()
    unit.publish(
        AlertRaised(
            alert_id=alert.id, kind=alert.kind, severity=trouble.severity, before=alert.severity, state=state,
            service_id=alert.service_id, sku=alert.sku, reseller_id=alert.reseller_id, summary=trouble.summary,
            raised_at=unit.now, acknowledge_by=acknowledge_by, resolve_by=due.resolve_by, visit=due.visit,
        ),
        subject=alert.tenant_id,
    )  # fmt: skip
    if state is AlertState.OPEN:
        _arm(alert.id, alert.reseller_id, acknowledge_by, unit)
