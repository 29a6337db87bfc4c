"""An operator's decision about an order that waits for a person: it goes on, or it ends."""

from schemas.envelope import Event
from schemas.orders import OrderReviewed, Review
from schemas.tenants import OrderAcknowledged, OrderState
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.onboarding.store import sql
from services.onboarding.usecases.end_order import end_unbegun

REFUSED = "refused"


async def review_order(event: Event[OrderReviewed], unit: Unit) -> bool:
    """Carry out the decision; True when the order is to be planned now.

    Raises `Missing` for an order that is not known yet, and `Rejected`: `order_not_held` when nobody waits for a
    decision, `tenant_unknown` and `assignment_needed` when releasing it would not help, because something else is
    missing.
    """
    tenant = await sql.lock_tenant(unit.db, id=event.subject)
    order = await sql.lock_order(unit.db, id=event.data.order_id)
    if order is None:
        raise Missing("order_unknown", "no such order")
    if order["tenant_id"] != event.subject:
        raise Rejected("order_unknown", "no such order of this tenant")
    if order["state"] != OrderState.HELD:
        raise Rejected("order_not_held", "this order does not wait for a person")
    if event.data.review is Review.REFUSE:
        await end_unbegun(order, REFUSED, event.data.reason or "the operator refused it", unit)
        return False
    if tenant is None:
        raise Rejected("tenant_unknown", "the firm's town is not known: it must correct the address and order again")
    if tenant["reseller_id"] is None:
        raise Rejected("assignment_needed", "the tenant has no reseller: choose one, and its orders go on")
    await sql.release_order(unit.db, id=order["id"])
    unit.publish(
        OrderAcknowledged(order_id=order["id"], reference=order["reference"], effective_at=order["effective_at"]),
        subject=event.subject,
    )
    return True
