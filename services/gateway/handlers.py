"""Events in: who serves whom, which services are active, and who is notified of what."""

from typing import Any, TypeVar, cast

from schemas.alerts import AlertEscalated, AlertOpened, AlertRaised, AlertResolved, AlertState
from schemas.billing import (
    CapForeseen,
    CapReached,
    CommissionAccrued,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    SettlementIssued,
    TenantCapForeseen,
    TenantCapReached,
)
from schemas.deliveries import Channel
from schemas.envelope import Event, Malformed, decode
from schemas.identity import OPERATOR
from schemas.rejects import EventRejected
from schemas.tenants import (
    OrderCancelled,
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    ServiceActivated,
    ServiceEnded,
    ServiceRemoved,
    ServiceResumed,
    ServiceSuspended,
    TenantActivated,
    TenantAssigned,
    TenantRegistered,
)
from schemas.topics import REJECTS
from services.chassis.engine.records import on, routes
from services.chassis.engine.slices import Slice, SliceUnit, on_slice
from services.chassis.unit import Unit
from services.gateway.store import sql
from services.gateway.usecases.note_rejects import note_rejects
from services.gateway.usecases.notify import notify, notify_reseller, write_to_owner


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """A tenant's names."""
    await sql.describe_tenant(
        unit.db, id=event.subject, external_id=event.data.external_id, name=event.data.name
    )


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Who may send events for a tenant, and is notified about it; who served it before is notified, too."""
    await _assign(event, unit)


async def tenant_assigned_with_a_page(event: Event[TenantAssigned], unit: Unit) -> None:
    """The owner of a firm that moves is notified who looks after it from now on."""
    if await _assign(event, unit) is not None:
        await write_to_owner(event, unit)


async def _assign(event: Event[TenantAssigned], unit: Unit) -> str | None:
    """The reseller that served the tenant before, if it was another one."""
    before: str | None = await sql.reseller_of(unit.db, tenant_id=event.subject)
    reseller_id = event.data.reseller_id
    await sql.set_reseller(unit.db, id=event.subject, reseller_id=reseller_id)
    await notify_reseller(event, reseller_id, unit)
    if before in (None, reseller_id):
        return None
    await notify_reseller(event, before, unit)
    return before


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service that usage may come for."""
    await sql.add_service(
        unit.db, id=event.data.service_id, tenant_id=event.subject, sku=event.data.sku
    )


async def service_ended(event: Event[ServiceEnded], unit: Unit) -> None:
    """From now on the door refuses usage of it from its end on; the reseller is notified."""
    data = event.data
    await sql.end_service(
        unit.db, id=data.service_id, tenant_id=event.subject, sku=data.sku, at=data.effective_at
    )
    await _notify_reseller(event, unit)


async def service_suspended(event: Event[ServiceSuspended], unit: Unit) -> None:
    """The reseller is notified that a service of its tenant is suspended."""
    await _notify_reseller(event, unit)


async def service_resumed(event: Event[ServiceResumed], unit: Unit) -> None:
    """The reseller is notified that a service of its tenant serves again."""
    await _notify_reseller(event, unit)


async def service_removed(event: Event[ServiceRemoved], unit: Unit) -> None:
    """The reseller is notified that nothing is left of a service of its tenant."""
    await _notify_reseller(event, unit)


async def order_held(event: Event[OrderHeld], unit: Unit) -> None:
    """The reseller is notified that an order of its tenant waits for a person."""
    await _notify_reseller(event, unit)


async def order_completed(event: Event[OrderCompleted], unit: Unit) -> None:
    """The reseller is notified that an order of its tenant is done."""
    await _notify_reseller(event, unit)


async def order_cancelled(event: Event[OrderCancelled], unit: Unit) -> None:
    """The reseller is notified that an order of its tenant was taken back."""
    await _notify_reseller(event, unit)


async def _notify_reseller(event: Event[Any], unit: Unit) -> None:
    reseller_id = await sql.reseller_of(unit.db, tenant_id=event.subject)
    await notify_reseller(event, reseller_id, unit)


async def tenant_activated(event: Event[TenantActivated], unit: Unit) -> None:
    """The reseller hears that its tenant is served."""
    await notify_reseller(event, event.data.reseller_id, unit)


async def tenant_activated_with_a_page(event: Event[TenantActivated], unit: Unit) -> None:
    """The owner of the firm, too: the mail opens the firm's page."""
    await tenant_activated(event, unit)
    await write_to_owner(event, unit)


async def order_delayed(event: Event[OrderDelayed], unit: Unit) -> None:
    """The reseller hears that an order waits for a back-end."""
    await notify_reseller(event, event.data.reseller_id, unit)


async def order_partially_completed(event: Event[OrderPartiallyCompleted], unit: Unit) -> None:
    """The reseller hears which items of an order failed, and which are done."""
    await notify_reseller(event, event.data.reseller_id, unit)


async def alert_opened(event: Event[AlertOpened], unit: Unit) -> None:
    """The assigned reseller hears of trouble; from now on it can be answered."""
    await sql.add_alert(unit.db, id=event.data.alert_id, tenant_id=event.subject)
    await notify_reseller(event, event.data.reseller_id, unit, event.data.alert_id)


async def alert_raised(event: Event[AlertRaised], unit: Unit) -> None:
    """The assigned reseller hears that it is worse, and the operator, if the operator has joined."""
    await notify_reseller(event, event.data.reseller_id, unit, event.data.alert_id)
    if event.data.state is AlertState.ESCALATED:
        await notify(event, OPERATOR, Channel.EMAIL, unit, event.data.alert_id)


async def alert_resolved(event: Event[AlertResolved], unit: Unit) -> None:
    """And of its end."""
    await notify_reseller(event, event.data.reseller_id, unit, event.data.alert_id)


async def alert_escalated(event: Event[AlertEscalated], unit: Unit) -> None:
    """Nobody answered: the operator gets a mail."""
    await notify(event, OPERATOR, Channel.EMAIL, unit, event.data.alert_id)


async def order_failed(event: Event[OrderFailed], unit: Unit) -> None:
    """The tenant's reseller hears that nothing was done, and whoever ordered for a tenant of another's does."""
    if event.data.sender not in (None, OPERATOR):
        await notify_reseller(event, event.data.sender, unit)
    else:
        await _notify_reseller(event, unit)


AboutMoney = TypeVar(
    "AboutMoney", CapForeseen, CapReached, CommissionAccrued, InvoiceIssued, InvoiceOverdue, InvoicePaid, SettlementIssued,
    TenantCapForeseen, TenantCapReached,
)  # fmt: skip


async def about_money(event: Event[AboutMoney], unit: Unit) -> None:
    """The reseller hears what its tenant owes and has paid, and what it earns itself."""
    await notify_reseller(event, event.data.reseller_id, unit)


async def events_rejected(piece: Slice, unit: SliceUnit) -> None:
    """Senders see what was refused behind the door, and are notified. By the slice: a wrong portal sends many."""
    events = []
    for record in piece.records:
        try:
            event = decode(record.value or b"")
        except Malformed as fault:
            unit.reject(record, fault.reason, fault.detail)
            continue
        if isinstance(event.data, EventRejected):
            events.append(cast(Event[EventRejected], event))
    await note_rejects(events, unit)


SLICES = (on_slice(REJECTS, events_rejected),)
ROUTES = routes(
    on(TenantRegistered, tenant_registered),
    on(TenantAssigned, tenant_assigned),
    on(ServiceActivated, service_activated),
    on(ServiceSuspended, service_suspended),
    on(ServiceResumed, service_resumed),
    on(ServiceEnded, service_ended),
    on(ServiceRemoved, service_removed),
    on(OrderCancelled, order_cancelled),
    on(TenantActivated, tenant_activated),
    on(OrderHeld, order_held),
    on(OrderCompleted, order_completed),
    on(OrderDelayed, order_delayed),
    on(OrderPartiallyCompleted, order_partially_completed),
    on(OrderFailed, order_failed),
    on(AlertOpened, alert_opened),
    on(AlertRaised, alert_raised),
    on(AlertResolved, alert_resolved),
    on(AlertEscalated, alert_escalated),
    on(InvoiceIssued, about_money),
    on(CapReached, about_money),
    on(CapForeseen, about_money),
    on(TenantCapReached, about_money),
    on(TenantCapForeseen, about_money),
    on(CommissionAccrued, about_money),
    on(InvoicePaid, about_money),
    on(SettlementIssued, about_money),
    on(InvoiceOverdue, about_money),
)
WITH_OWNERS_PAGES = ROUTES | routes(
    on(TenantActivated, tenant_activated_with_a_page),
    on(TenantAssigned, tenant_assigned_with_a_page),
)
"""The same, where owners have pages."""
