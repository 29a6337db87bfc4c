"""Accept an order once, make its firm a tenant if it is none, and start on the tenant's local reseller."""

from schemas import identity
from schemas.envelope import Event
from schemas.orders import ItemAction, OrderPlaced, TenantDetails
from schemas.reasons import Reason
from schemas.tenants import OrderAcknowledged, OrderFailed, OrderHeld, OrderState, TenantRegistered
from services.chassis.unit import Rejected, Unit
from services.onboarding import metrics, places, store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Order
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import refuse_order
from services.onboarding.usecases.enqueue import enqueue_assignment, enqueue_planning
from services.onboarding.usecases.replace_held import replace_held


async def place_order(event: Event[OrderPlaced], unit: Unit) -> None:
    """Keep the order, and acknowledge, hold or refuse it.

    Raises `Rejected` (`id_reuse`) when an order of this id came before with other content.
    """
    order_id = await _new_order_id(event, unit)
    if order_id is None:
        return
    tenant = await store.lock_tenant(unit.db, event.subject)
    if tenant is not None and not Sender(event.principal).may_place(tenant.reseller_id):
        await refuse_order(await _keep(event, order_id, OrderState.ACKNOWLEDGED, unit), unit)
        return
    details = event.data.tenant
    if details is not None and not await _register(event.subject, details, event.principal, unit):
        await _hold_unplaced(event, order_id, unit)
        await replace_held(event, order_id, unit)
        return
    tenant = tenant or await store.lock_tenant(unit.db, event.subject)
    if tenant is None:
        await _fail_unknown(event, order_id, unit)
        return
    await _acknowledge(event, order_id, tenant.reseller_id, unit)
    await replace_held(event, order_id, unit)
    if tenant.reseller_id is None:
        enqueue_assignment(tenant.id, unit)
    else:
        enqueue_planning(order_id, tenant.id, unit)


async def _new_order_id(event: Event[OrderPlaced], unit: Unit) -> str | None:
    """The id of an order: what its door answered. None when it came before; raises `Rejected` if it said otherwise then.

    An earlier build's door gives no id but answered the one without a principal; that holds, unless it is another's.
    An order kept by an earlier build does not say who sent it: anybody who sends it again counts as that sender.
    """
    old = identity.order_id(event.subject, event.source, event.id)
    new = event.order_id or identity.order_id(
        event.subject, event.source, event.id, event.principal
    )
    before = await store.references(unit.db, [old, new])
    for reference, principal in before.values():
        if principal in (None, event.principal):
            if reference != event.data.reference:
                raise Rejected(Reason.ID_REUSE, "this id came before with other content")
            return None
    return new if event.order_id is not None or old in before else old


async def _register(
    tenant_id: str, details: TenantDetails, principal: str | None, unit: Unit
) -> bool:
    """Make a firm a tenant, if it is not one; False when nobody knows where its town is."""
    place = places.find(details.address.comune, details.address.provincia)
    if place is None:
        return False
    added = await sql.add_tenant(
        unit.db, id=tenant_id, external_id=details.external_id, language=details.language, vertical=details.vertical,
        place=place.model_dump(mode="json"), registered_at=unit.now, registered_by=principal,
    )  # fmt: skip
    if added is not None:
        # The contact is a person: it stays in the order.
        unit.publish(
            TenantRegistered(**details.model_dump(exclude={"contact"}), place=place),
            subject=tenant_id,
        )
    return True


async def _acknowledge(
    event: Event[OrderPlaced], order_id: str, reseller_id: str | None, unit: Unit
) -> None:
    order = await _keep(event, order_id, OrderState.ACKNOWLEDGED, unit, judged_for=reseller_id)
    unit.publish(
        OrderAcknowledged(
            order_id=order.id, reference=order.reference, effective_at=order.effective_at
        ),
        subject=order.tenant_id,
    )


async def _fail_unknown(event: Event[OrderPlaced], order_id: str, unit: Unit) -> None:
    """A firm that is no tenant ordered without its details."""
    order = await _keep(event, order_id, OrderState.FAILED, unit)
    unit.publish(
        OrderFailed(
            order_id=order.id, reference=order.reference, reason=Reason.UNKNOWN_TENANT,
            explanation="a first order must carry the firm's details",
        ),
        subject=order.tenant_id,
    )  # fmt: skip


async def _hold_unplaced(event: Event[OrderPlaced], order_id: str, unit: Unit) -> None:
    """An order from a town that the table of places does not have waits for a person."""
    order = await _keep(event, order_id, OrderState.HELD, unit)
    unit.publish(
        OrderHeld(
            order_id=order.id, reference=order.reference, reason=Reason.UNKNOWN_PLACE,
            explanation=_which_town(event.data),
        ),
        subject=order.tenant_id,
    )  # fmt: skip
    metrics.ORDERS_HELD.labels(Reason.UNKNOWN_PLACE).inc()


def _which_town(order: OrderPlaced) -> str:
    """What the sender of an order from an unknown town reads."""
    said = "the town is not in the table of places: correct the address and order again"
    if order.tenant is None:
        return said
    address = order.tenant.address
    likely = places.candidates(address.comune, address.provincia)
    return (
        f"{said}; perhaps {', '.join(f'{p.comune} ({p.provincia})' for p in likely)}"
        if likely
        else said
    )


async def _keep(
    event: Event[OrderPlaced],
    order_id: str,
    state: OrderState,
    unit: Unit,
    judged_for: str | None = None,
) -> Order:
    """Write the order and its items."""
    order = Order(
        id=order_id, tenant_id=event.subject, reference=event.data.reference, state=state,
        effective_at=event.data.effective_at or unit.now, accepted_at=unit.now, revision=event.revision or 0,
        principal=event.principal, judged_for=judged_for, released=False, reseller_id=judged_for,
        preferred=event.data.preferred_reseller,
    )  # fmt: skip
    await store.add_order(unit.db, order)
    for n, item in enumerate(event.data.items):
        added = item.action is ItemAction.ADD
        await sql.add_item(
            unit.db, order_id=order_id, n=n, action=item.action, sku=item.sku,
            service_id=identity.service_id(order_id, n) if added else item.service_id, quantities=to_json(item.quantities),
        )  # fmt: skip
    return order
