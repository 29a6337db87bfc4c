"""Cancel an order, as long as none of its items is done: what was begun is taken back."""

from schemas.envelope import Event
from schemas.identity import SPENDING_CAP
from schemas.orders import OrderCancelRequested
from schemas.reasons import Reason
from schemas.tenants import OrderState
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.onboarding import store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Item, Order
from services.onboarding.domain.states import ItemState
from services.onboarding.job_kinds import BeginItem, begin_item
from services.onboarding.usecases.end_order import CANCELLED, cancel_unbegun, settle

ENDED = frozenset({OrderState.COMPLETED, OrderState.PARTIAL, OrderState.FAILED})


async def cancel_order(event: Event[OrderCancelRequested], unit: Unit) -> None:
    """Carry out the request; asked for again, it changes nothing.

    Raises `Missing` for an order that is not known yet, and `Rejected`: `unknown_order` when it is not this tenant's or
    its sender may not order for the tenant, `not_allowed` when a cap ordered it, `too_late` when the order has ended or an
    item of it is done.
    """
    tenant = await store.lock_tenant(unit.db, event.subject)
    order = await store.lock_order(unit.db, event.data.order_id)
    if order is None:
        raise Missing(Reason.UNKNOWN_ORDER, "no such order")
    sender = Sender(event.principal)
    reseller_id = tenant.reseller_id if tenant is not None else None
    is_theirs = sender.speaks_for(order.principal) or sender.speaks_for(reseller_id)
    if order.tenant_id != event.subject or not is_theirs:
        raise Rejected(Reason.UNKNOWN_ORDER, "no such order of this tenant")
    if order.principal == SPENDING_CAP:
        raise Rejected(Reason.NOT_ALLOWED, "a spending cap ordered it: change the cap")
    if order.state in (OrderState.CANCELLED, OrderState.PENDING_CANCELLATION):
        return
    if order.state in ENDED:
        raise Rejected(Reason.TOO_LATE, f"the order has ended: {order.state}")
    if order.state is not OrderState.IN_PROGRESS:
        await cancel_unbegun(order, unit)
        return
    items = await store.items(unit.db, order.id)
    if any(item.state is ItemState.DONE for item in items):
        raise Rejected(
            Reason.TOO_LATE, "an item of the order is done: order the change back instead"
        )
    await store.move_order(unit.db, order, OrderState.PENDING_CANCELLATION)
    for item in items:
        if item.state is ItemState.PENDING and item.begins_at is not None:
            await _take_back_unbegun(order, item, unit)


async def _take_back_unbegun(order: Order, item: Item, unit: Unit) -> None:
    """What is at back-ends is taken back by the job that is at it; what waits for its day has no such job."""
    args = BeginItem(order_id=order.id, n=item.n, service_id=item.service_id)
    unit.cancel(begin_item, args.about)
    await settle(order.id, item.n, ItemState.FAILED, CANCELLED, unit)
