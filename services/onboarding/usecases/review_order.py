"""An operator's decision about an order that waits for a person: it goes on, or it ends."""

from schemas.envelope import Event
from schemas.orders import OrderReviewed, Review
from schemas.reasons import Reason
from schemas.tenants import OrderAcknowledged, OrderState
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.onboarding import store
from services.onboarding.domain.states import ORDER_MOVES, move
from services.onboarding.store import sql
from services.onboarding.usecases.end_order import end_unbegun
from services.onboarding.usecases.enqueue import enqueue_released


async def review_order(event: Event[OrderReviewed], unit: Unit) -> None:
    """Carry out the decision.

    Raises `Missing` for an order that is not known yet, and `Rejected`: `order_not_held` when nobody waits for a
    decision, `unknown_tenant` and `assignment_needed` when releasing it would not help, because something else is
    missing.
    """
    tenant = await store.lock_tenant(unit.db, event.subject)
    order = await store.lock_order(unit.db, event.data.order_id)
    if order is None:
        raise Missing(Reason.UNKNOWN_ORDER, "no such order")
    if order.tenant_id != event.subject:
        raise Rejected(Reason.UNKNOWN_ORDER, "no such order of this tenant")
    if order.state is not OrderState.HELD:
        raise Rejected(Reason.ORDER_NOT_HELD, "this order does not wait for a person")
    if event.data.review is Review.REFUSE:
        await end_unbegun(
            order, Reason.REFUSED, event.data.reason or "the operator refused it", unit
        )
        return
    if tenant is None:
        raise Rejected(
            Reason.UNKNOWN_TENANT,
            "the firm's town is not known: it must correct the address and order again",
        )
    if tenant.reseller_id is None:
        raise Rejected(
            Reason.ASSIGNMENT_NEEDED, "the tenant has no reseller: choose one, and its orders go on"
        )
    move(ORDER_MOVES, order.state, OrderState.ACKNOWLEDGED)
    await sql.release_order(unit.db, id=order.id)
    unit.publish(
        OrderAcknowledged(
            order_id=order.id, reference=order.reference, effective_at=order.effective_at
        ),
        subject=event.subject,
    )
    enqueue_released(order.id, unit)
