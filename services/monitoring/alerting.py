"""Opening and moving alerts: the one place where an alert changes."""

from datetime import timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

import asyncpg

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertKind,
    AlertOpened,
    AlertRaised,
    AlertResolved,
    AlertState,
    EscalationReason,
)
from schemas.signals import Severity
from services.chassis.jobs import JobKind
from services.chassis.unit import Args, Unit
from services.monitoring import metrics
from services.monitoring.domain.alerts import Move, after, fingerprint, is_more_severe, raised
from services.monitoring.domain.calendar import Calendar
from services.monitoring.domain.sla import Deadlines, deadlines
from services.monitoring.store import sql

NOBODY = "operator"
OPERATOR_PROVINCIA = "MI"
"""The calendar of the provider's own desk, for tenants that have no reseller."""


ALERT_MAY_COME_AGAIN = timedelta(days=90)
"""How long a fact is known to have acted: as long as the inbox keeps it."""


class Escalate(Args):
    """An alert that should have been acknowledged by now."""

    alert_id: str


escalate = JobKind("escalate", Escalate, attempts=None)


class Trouble(Args):
    """What was noticed. `cause` names the fact that told us: the same fact opens one alert.

    `cause_before`: its name in earlier builds, which left tenant and principal out.
    """

    cause: str
    cause_before: str | None = None
    kind: AlertKind
    severity: Severity
    tenant_id: str
    service_id: str
    sku: str
    summary: str


OPENING_TRIES = 8
"""How often an alert may be resolved between a try to open one like it and a look at it."""


async def open_alert(trouble: Trouble, unit: Unit) -> None:
    """Open an alert for the tenant's reseller; if one is open for the same trouble, raise it when this is more severe."""
    responsible = await sql.responsible(unit.db, tenant_id=trouble.tenant_id)
    reseller_id = responsible["reseller_id"] if responsible else None
    provincia = (responsible["provincia"] if responsible else None) or OPERATOR_PROVINCIA
    distance = responsible["distance_km"] if responsible else Decimal(0)
    due = deadlines(trouble.severity, unit.now, Calendar(provincia), distance)
    alert_id = _id_of(trouble.cause)
    if trouble.cause_before is not None and await sql.alert_before(
        unit.db, id=_id_of(trouble.cause_before), tenant_id=trouble.tenant_id, since=unit.now - ALERT_MAY_COME_AGAIN
    ):
        return
    trace = fingerprint(trouble.tenant_id, trouble.service_id, trouble.kind)
    for _ in range(OPENING_TRIES):
        added = await sql.open_alert(
            unit.db, id=alert_id, fingerprint=trace, tenant_id=trouble.tenant_id, service_id=trouble.service_id,
            sku=trouble.sku, kind=trouble.kind, severity=trouble.severity, reseller_id=reseller_id,
            summary=trouble.summary, opened_at=unit.now, acknowledge_by=due.acknowledge_by,
        )  # fmt: skip
        if added is not None:
            _say_opened(alert_id, trouble, reseller_id, due, unit)
            return
        if alert := await sql.lock_open_alert(unit.db, fingerprint=trace):
            await _raise(alert, trouble, due, unit)
            return
        if await sql.is_known_alert(unit.db, id=alert_id):
            return
    raise RuntimeError(f"an alert like {alert_id} is opened and resolved over and over")


def _say_opened(alert_id: str, trouble: Trouble, reseller_id: str | None, due: Deadlines, unit: Unit) -> None:
    metrics.ALERTS.labels(trouble.kind, "opened").inc()
    unit.publish(
        AlertOpened(
            alert_id=alert_id, kind=trouble.kind, severity=trouble.severity, service_id=trouble.service_id, sku=trouble.sku,
            reseller_id=reseller_id or NOBODY, summary=trouble.summary, opened_at=unit.now,
            acknowledge_by=due.acknowledge_by, resolve_by=due.resolve_by, visit=due.visit,
        ),
        subject=trouble.tenant_id,
    )  # fmt: skip
    at = due.acknowledge_by if reseller_id else unit.now
    unit.enqueue(escalate, Escalate(alert_id=alert_id), at=at, key=alert_id)


def _id_of(cause: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"vicino|alert|{cause}"))


async def _raise(alert: asyncpg.Record, trouble: Trouble, due: Deadlines, unit: Unit) -> None:
    """Raise an open alert to more severe trouble and tell it again; what is not more severe changes nothing."""
    before, state = Severity(alert["severity"]), raised(AlertState(alert["state"]))
    if state is None or not is_more_severe(trouble.severity, before):
        return
    # Still unanswered, it is never given longer than it had.
    unanswered = alert["state"] == AlertState.OPEN
    acknowledge_by = min(alert["acknowledge_by"], due.acknowledge_by) if unanswered else due.acknowledge_by
    await sql.raise_alert(
        unit.db, id=alert["id"], severity=trouble.severity, summary=trouble.summary, state=state,
        acknowledge_by=acknowledge_by,
    )  # fmt: skip
    metrics.ALERTS.labels(alert["kind"], "raised").inc()
    unit.publish(
        AlertRaised(
            alert_id=alert["id"], kind=AlertKind(alert["kind"]), severity=trouble.severity, before=before, state=state,
            service_id=alert["service_id"], sku=alert["sku"], reseller_id=alert["reseller_id"] or NOBODY,
            summary=trouble.summary, raised_at=unit.now, acknowledge_by=acknowledge_by, resolve_by=due.resolve_by,
            visit=due.visit,
        ),
        subject=alert["tenant_id"],
    )  # fmt: skip
    if state is AlertState.OPEN:
        at = acknowledge_by if alert["reseller_id"] else unit.now
        unit.enqueue(escalate, Escalate(alert_id=alert["id"]), at=at, key=alert["id"])


async def move(
    alert_id: str, step: Move, by: str, unit: Unit, reason: EscalationReason = EscalationReason.NOT_ACKNOWLEDGED
) -> AlertState | None:
    """Move an alert and say so; None when it does not change. Raises `LookupError` for an alert nobody knows."""
    alert = await sql.lock_alert(unit.db, id=alert_id)
    if alert is None:
        raise LookupError(alert_id)
    state = after(AlertState(alert["state"]), step)
    if state is None:
        return None
    await sql.set_state(unit.db, id=alert_id, state=state)
    metrics.ALERTS.labels(alert["kind"], state).inc()
    reseller = alert["reseller_id"] or NOBODY
    if state is AlertState.ESCALATED:
        said: AlertAcknowledged | AlertEscalated | AlertResolved = AlertEscalated(
            alert_id=alert_id, reseller_id=reseller, service_id=alert["service_id"], sku=alert["sku"],
            summary=alert["summary"], acknowledge_by=alert["acknowledge_by"], escalated_at=unit.now,
            reason=reason if alert["reseller_id"] else EscalationReason.NO_RESELLER,
        )  # fmt: skip
    elif state is AlertState.ACKNOWLEDGED:
        said = AlertAcknowledged(alert_id=alert_id, reseller_id=reseller, by=by, acknowledged_at=unit.now)
    else:
        said = AlertResolved(alert_id=alert_id, reseller_id=reseller, by=by, resolved_at=unit.now)
    unit.publish(said, subject=alert["tenant_id"])
    if state is not AlertState.ESCALATED:
        unit.cancel(escalate, alert_id)
    return state
