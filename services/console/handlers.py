"""Events in: every fact becomes a row that shows it. Nothing is decided here."""

from typing import Any

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertOpened,
    AlertRaised,
    AlertResolved,
)
from schemas.billing import InvoiceIssued
from schemas.catalogue import ResellerRegistered
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event
from schemas.reasons import Reason
from schemas.scalars import rfc3339
from schemas.tenants import (
    AssignmentNeeded,
    OrderAcknowledged,
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    TenantActivated,
    TenantAssigned,
    TenantRegistered,
)
from services.chassis.engine.records import on, routes
from services.chassis.unit import Unit
from services.console.store import sql


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """A tenant's names."""
    data = event.data
    await sql.describe_tenant(
        unit.db,
        id=event.subject,
        external_id=data.external_id,
        name=data.name,
        details=data.model_dump(mode="json"),
    )


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Who serves it, and why."""
    data = event.data
    await sql.assign_tenant(
        unit.db, id=event.subject, reseller_id=data.reseller_id, distance_km=data.distance_km, score=data.score,
        assigned_by=data.by, ranking=[row.model_dump(mode="json") for row in data.ranking],
    )  # fmt: skip


async def assignment_needed(event: Event[AssignmentNeeded], unit: Unit) -> None:
    """It waits for a person."""
    ranking = [row.model_dump(mode="json") for row in event.data.nearest]
    await sql.tenant_waits(unit.db, id=event.subject, ranking=ranking)


async def tenant_activated(event: Event[TenantActivated], unit: Unit) -> None:
    """It is served."""
    await sql.tenant_active(unit.db, id=event.subject)


_RANKS = {"acknowledged": 2, "held": 2, "delayed": 2, "completed": 3, "partial": 3, "failed": 3}


async def _order(event: Event[Any], unit: Unit, state: str, **more: Any) -> None:
    values = {"accepted_at": None, "ended_at": None, "reason": None, "explanation": None, **more}
    await sql.put_order(
        unit.db, id=event.data.order_id, tenant_id=event.subject, reference=event.data.reference, state=state,
        rank=_RANKS[state], **values,
    )  # fmt: skip


async def order_acknowledged(event: Event[OrderAcknowledged], unit: Unit) -> None:
    """An order is being worked on."""
    await _order(event, unit, "acknowledged", accepted_at=event.time)


async def order_held(event: Event[OrderHeld], unit: Unit) -> None:
    """An order waits for a person."""
    await _order(event, unit, "held", reason=event.data.reason, explanation=event.data.explanation)


async def order_delayed(event: Event[OrderDelayed], unit: Unit) -> None:
    """An order waits for a back-end."""
    data = event.data
    said = f"waits for the back-end ({', '.join(data.waits_for)}) since {rfc3339(data.since)}: {data.explanation}"
    await _order(event, unit, "delayed", reason=Reason.BACK_END_UNAVAILABLE, explanation=said)


async def order_completed(event: Event[OrderCompleted], unit: Unit) -> None:
    """An order is done."""
    await _order(event, unit, "completed", accepted_at=event.data.accepted_at, ended_at=event.time)


async def order_partially_completed(event: Event[OrderPartiallyCompleted], unit: Unit) -> None:
    """Some items of an order are done, others failed."""
    data = event.data
    await _order(
        event, unit, "partial", accepted_at=data.accepted_at, ended_at=event.time, reason=data.reason,
        explanation=data.explanation,
    )  # fmt: skip


async def order_failed(event: Event[OrderFailed], unit: Unit) -> None:
    """An order has failed."""
    await _order(
        event,
        unit,
        "failed",
        ended_at=event.time,
        reason=event.data.reason,
        explanation=event.data.explanation,
    )


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service lives."""
    await _service(event, unit)
    await sql.order_goes_on(unit.db, id=event.data.order_id)


async def service_changed(event: Event[ServiceChanged], unit: Unit) -> None:
    """A service has other quantities."""
    await _service(event, unit)
    await sql.order_goes_on(unit.db, id=event.data.order_id)


async def _service(event: Event[Any], unit: Unit) -> None:
    data = event.data.model_dump(mode="json")
    await sql.put_service(
        unit.db, id=data["service_id"], tenant_id=event.subject, sku=data["sku"], state="active",
        quantities=data["quantities"], effective_at=event.data.effective_at, explanation=None,
    )  # fmt: skip


async def provisioning_failed(event: Event[ProvisioningFailed], unit: Unit) -> None:
    """A service could not be made."""
    data = event.data
    await sql.put_service(
        unit.db, id=data.service_id, tenant_id=event.subject, sku=data.sku, state="failed", quantities={},
        effective_at=None, explanation=data.explanation,
    )  # fmt: skip


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """A reseller."""
    data = event.data
    await sql.put_reseller(
        unit.db, id=data.reseller_id, revision=data.revision, profile=data.model_dump(mode="json")
    )


async def invoice_issued(event: Event[InvoiceIssued], unit: Unit) -> None:
    """A document."""
    data = event.data
    await sql.put_invoice(
        unit.db, id=data.invoice_id, tenant_id=event.subject, number=data.number, issued_on=data.date,
        total=data.totals.totale_documento, document=data.model_dump(mode="json"),
    )  # fmt: skip


async def alert_opened(event: Event[AlertOpened], unit: Unit) -> None:
    """Trouble."""
    await sql.open_alert(
        unit.db,
        id=event.data.alert_id,
        tenant_id=event.subject,
        document=event.data.model_dump(mode="json"),
    )


async def alert_raised(event: Event[AlertRaised], unit: Unit) -> None:
    """Trouble is worse than it was, and must be acknowledged again."""
    changed = {"severity", "summary", "acknowledge_by", "resolve_by", "visit"}
    await sql.raise_alert(
        unit.db, id=event.data.alert_id, changes=event.data.model_dump(mode="json", include=changed)
    )


async def _stamp(alert_id: str, unit: Unit, **stamps: Any) -> None:
    none = dict.fromkeys(("notified_at", "acknowledged_at", "escalated_at", "resolved_at"))
    await sql.stamp_alert(unit.db, id=alert_id, **{**none, **stamps})


async def alert_acknowledged(event: Event[AlertAcknowledged], unit: Unit) -> None:
    """Somebody has it in hand."""
    await _stamp(event.data.alert_id, unit, acknowledged_at=event.data.acknowledged_at)


async def alert_escalated(event: Event[AlertEscalated], unit: Unit) -> None:
    """Nobody answered in time."""
    await _stamp(event.data.alert_id, unit, escalated_at=event.data.escalated_at)


async def alert_resolved(event: Event[AlertResolved], unit: Unit) -> None:
    """It is over."""
    await _stamp(event.data.alert_id, unit, resolved_at=event.data.resolved_at)


async def delivery_succeeded(event: Event[DeliverySucceeded], unit: Unit) -> None:
    """Somebody was told."""
    data = event.data
    await _delivery(event, unit, "delivered", data.delivered_at, None)
    if data.alert_id is not None and data.about == AlertOpened.wire_type:
        await _stamp(data.alert_id, unit, notified_at=data.delivered_at)


async def delivery_failed(event: Event[DeliveryFailed], unit: Unit) -> None:
    """Somebody could not be told."""
    await _delivery(event, unit, "failed", event.time, event.data.explanation)


async def _delivery(
    event: Event[Any], unit: Unit, state: str, at: Any, explanation: str | None
) -> None:
    data = event.data
    await sql.put_delivery(
        unit.db, id=data.notification_id, tenant_id=event.subject, alert_id=data.alert_id, recipient=data.recipient,
        channel=data.channel, about=data.about, state=state, attempts=data.attempts, at=at, explanation=explanation,
    )  # fmt: skip


ROUTES = routes(
    on(TenantRegistered, tenant_registered),
    on(TenantAssigned, tenant_assigned),
    on(AssignmentNeeded, assignment_needed),
    on(TenantActivated, tenant_activated),
    on(OrderAcknowledged, order_acknowledged),
    on(OrderHeld, order_held),
    on(OrderDelayed, order_delayed),
    on(OrderCompleted, order_completed),
    on(OrderPartiallyCompleted, order_partially_completed),
    on(OrderFailed, order_failed),
    on(ServiceActivated, service_activated),
    on(ServiceChanged, service_changed),
    on(ProvisioningFailed, provisioning_failed),
    on(ResellerRegistered, reseller_registered),
    on(InvoiceIssued, invoice_issued),
    on(AlertOpened, alert_opened),
    on(AlertRaised, alert_raised),
    on(AlertAcknowledged, alert_acknowledged),
    on(AlertEscalated, alert_escalated),
    on(AlertResolved, alert_resolved),
    on(DeliverySucceeded, delivery_succeeded),
    on(DeliveryFailed, delivery_failed),
)
