"""End an order's items one by one, and with the last one the order; a tenant is active from its first service on."""

from schemas.orders import ItemAction
from schemas.reasons import Reason
from schemas.tenants import (
    ItemOutcome,
    OrderCancelled,
    OrderCompleted,
    OrderFailed,
    OrderPartiallyCompleted,
    OrderState,
    TenantActivated,
)
from services.chassis.unit import Unit
from services.onboarding import metrics, store
from services.onboarding.domain.authority import NOT_YOURS_EXPLANATION
from services.onboarding.domain.model import Item, Order
from services.onboarding.domain.orders import settled
from services.onboarding.domain.states import ItemState, TenantState
from services.onboarding.store import sql

EXPLANATION_LENGTH_MAX = 2000
CANCELLED = f"{Reason.CANCELLED}: the order was cancelled"
"""Why an item of a cancelled order fails."""


async def settle(order_id: str, n: int, state: ItemState, fault: str | None, unit: Unit) -> None:
    """End an item, and with the last one the order; under the order's lock, so that one of two finishers decides."""
    order = await store.order_at_hand(unit.db, order_id)
    ended = next(item for item in await store.items(unit.db, order_id) if item.n == n)
    await store.end_item(unit.db, order_id, ended, state, fault)
    items = await store.items(unit.db, order_id)
    outcome = settled(order.state, (item.state for item in items))
    if outcome is None:
        return
    await store.move_order(unit.db, order, outcome)
    metrics.ORDERS.labels(outcome).inc()
    if outcome is OrderState.COMPLETED:
        unit.publish(
            OrderCompleted(
                order_id=order_id, reference=order.reference, accepted_at=order.accepted_at
            ),
            subject=order.tenant_id,
        )
    elif outcome is OrderState.CANCELLED:
        _say_cancelled(order, unit)
    else:
        await _say_what_failed(order, outcome, items, unit)
    came_to_nothing = outcome in (OrderState.FAILED, OrderState.CANCELLED)
    if came_to_nothing or any(item.action is ItemAction.END for item in items):
        await give_place_back(order.tenant_id, unit)


def _say_cancelled(order: Order, unit: Unit) -> None:
    unit.publish(
        OrderCancelled(order_id=order.id, reference=order.reference), subject=order.tenant_id
    )


async def give_place_back(tenant_id: str, unit: Unit) -> None:
    """Free the place of a tenant that has nothing, or nothing any more; its next order is assigned as a first one is."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    if (
        tenant is None
        or tenant.reseller_id is None
        or await sql.is_served_or_waits(unit.db, tenant_id=tenant_id)
    ):
        return
    await sql.leave_reseller(unit.db, id=tenant_id)
    await sql.give_back_capacity(unit.db, id=tenant.reseller_id)


async def _say_what_failed(
    order: Order, outcome: OrderState, items: list[Item], unit: Unit
) -> None:
    faults = "; ".join(item.fault for item in items if item.fault)
    reason = faults.split(":", 1)[0]
    explanation = faults[:EXPLANATION_LENGTH_MAX]
    if outcome is OrderState.FAILED:
        said: OrderFailed | OrderPartiallyCompleted = OrderFailed(
            order_id=order.id, reference=order.reference, reason=reason, explanation=explanation
        )
    else:
        tenant = await store.tenant_at_hand(unit.db, order.tenant_id)
        said = OrderPartiallyCompleted(
            order_id=order.id, reference=order.reference, accepted_at=order.accepted_at,
            reseller_id=tenant.reseller_id, reason=reason, explanation=explanation,
            items=tuple(_outcome(item) for item in items),
        )  # fmt: skip
    unit.publish(said, subject=order.tenant_id)


def _outcome(item: Item) -> ItemOutcome:
    return ItemOutcome(
        item=item.n, service_id=item.service_id, done=item.state == ItemState.DONE,
        explanation=(item.fault or "")[:EXPLANATION_LENGTH_MAX],
    )  # fmt: skip


async def refuse_order(order: Order, unit: Unit) -> None:
    """End an order of a tenant that is another reseller's, and tell its sender."""
    await end_unbegun(order, Reason.NOT_YOURS, NOT_YOURS_EXPLANATION, unit)


async def end_unbegun(order: Order, reason: str, explanation: str, unit: Unit) -> None:
    """End an order of which nothing was begun, and tell its sender why; frees the place of a tenant left with nothing."""
    await _end_all_items(order, reason, OrderState.FAILED, unit)
    unit.publish(
        OrderFailed(
            order_id=order.id, reference=order.reference, reason=reason, explanation=explanation,
            sender=order.principal,
        ),
        subject=order.tenant_id,
    )  # fmt: skip
    await give_place_back(order.tenant_id, unit)


async def cancel_unbegun(order: Order, unit: Unit) -> None:
    """End an order of which nothing was begun, as its sender asked."""
    await _end_all_items(order, CANCELLED, OrderState.CANCELLED, unit)
    _say_cancelled(order, unit)
    await give_place_back(order.tenant_id, unit)


async def _end_all_items(order: Order, fault: str, outcome: OrderState, unit: Unit) -> None:
    for item in await store.items(unit.db, order.id):
        await store.end_item(unit.db, order.id, item, ItemState.FAILED, fault)
    await store.move_order(unit.db, order, outcome)
    metrics.ORDERS.labels(outcome).inc()


async def activate_tenant(order: Order, unit: Unit) -> None:
    """Make a tenant active with its first active service, whatever becomes of the order's other items."""
    tenant = await store.tenant_at_hand(unit.db, order.tenant_id)
    if tenant.state is TenantState.ACTIVE:
        return
    await store.move_tenant(unit.db, tenant, TenantState.ACTIVE)
    unit.publish(
        TenantActivated(
            external_id=tenant.external_id, reseller_id=tenant.reseller_id, order_id=order.id,
            services=await store.active_services(unit.db, order.id), effective_at=order.effective_at,
        ),
        subject=tenant.id,
    )  # fmt: skip
