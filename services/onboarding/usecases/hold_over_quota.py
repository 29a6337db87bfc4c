"""Hold what one reseller orders beyond its quota, until a person has looked at it."""

from schemas.orders import ItemAction
from schemas.reasons import Reason
from schemas.tenants import OrderHeld, OrderState
from services.chassis.unit import Unit
from services.onboarding import metrics, store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Order, Tenant
from services.onboarding.domain.quotas import WINDOW, Quota
from services.onboarding.store import sql


async def firm_fault(tenant: Tenant, quota: Quota, unit: Unit) -> str | None:
    """Why the placing of this new firm waits for a person; None when it need not."""
    sender = Sender(tenant.registered_by)
    if not sender.has_quota():
        return None
    # One after the other for one sender: two that count at once would both find the last place free.
    await sql.lock_sender(unit.db, sender=sender.principal)
    firms = await sql.count_new_firms(unit.db, sender=sender.principal, since=unit.now - WINDOW)
    return quota.firm_fault(firms)


async def hold_over_quota(order: Order, quota: Quota, unit: Unit) -> bool:
    """Hold an order whose sender has no quota left for it; False: it goes on."""
    sender = Sender(order.principal)
    if order.released or not sender.has_quota():
        return False
    await sql.lock_sender(unit.db, sender=sender.principal)
    found = await sql.count_services(unit.db, sender=sender.principal, since=unit.now - WINDOW)
    asked = sum(item.action is ItemAction.ADD for item in await store.items(unit.db, order.id))
    fault = quota.services_fault(found["begun"], found["in_progress"], asked)
    if fault is None:
        return False
    await hold(order, Reason.QUOTA_EXCEEDED, fault, unit)
    return True


async def hold(order: Order, reason: Reason, explanation: str, unit: Unit) -> None:
    """Let an order wait for a person, and say why."""
    await store.move_order(unit.db, order, OrderState.HELD)
    unit.publish(
        OrderHeld(
            order_id=order.id, reference=order.reference, reason=reason, explanation=explanation
        ),
        subject=order.tenant_id,
    )
    metrics.ORDERS_HELD.labels(reason).inc()
