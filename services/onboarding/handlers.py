"""Events in: orders, operators' decisions, and the catalogue."""

from schemas import identity
from schemas.catalogue import CataloguePublished, ResellerProfile, ResellerRegistered
from schemas.envelope import Event
from schemas.orders import AssignmentDecided, ItemAction, OrderPlaced, OrderReviewed, TenantDetails
from schemas.reasons import Reason
from schemas.tenants import OrderAcknowledged, OrderFailed, OrderHeld, OrderState, TenantRegistered
from services.chassis.engine.records import on, routes
from services.chassis.parking import Missing
from services.chassis.store import collect
from services.chassis.unit import Rejected, Unit
from services.onboarding import metrics, places, store
from services.onboarding.domain.authority import Sender
from services.onboarding.jobs import (
    AssignReseller,
    PlanOrder,
    TenantAssignedBy,
    assign,
    assign_reseller,
    lane_of_tenant,
    plan_order,
)
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import refuse_order
from services.onboarding.usecases.replace_held import replace_held
from services.onboarding.usecases.review_order import review_order


async def order_placed(event: Event[OrderPlaced], unit: Unit) -> None:
    """Accept an order for services, once, and start assigning its local reseller."""
    order = event.data
    order_id = await _new_order_id(event, unit)
    if order_id is None:
        return
    tenant = await sql.lock_tenant(unit.db, id=event.subject)
    if tenant is not None and not Sender(event.principal).may_place(tenant["reseller_id"]):
        await _keep(event, order_id, OrderState.ACKNOWLEDGED, unit)
        await refuse_order(await sql.lock_order(unit.db, id=order_id), unit)
        return
    if order.tenant is not None and not await _register(event.subject, order.tenant, event.principal, unit):
        await _hold_unplaced(event, order_id, unit)
        await replace_held(event, order_id, unit)
        return
    tenant = tenant or await sql.lock_tenant(unit.db, id=event.subject)
    if tenant is None:
        await _keep(event, order_id, OrderState.FAILED, unit)
        unit.publish(
            OrderFailed(
                order_id=order_id, reference=order.reference, reason=Reason.UNKNOWN_TENANT,
                explanation="a first order must carry the firm's details",
            ),
            subject=event.subject,
        )  # fmt: skip
        return
    await _keep(event, order_id, OrderState.ACKNOWLEDGED, unit, judged_for=tenant["reseller_id"])
    unit.publish(
        OrderAcknowledged(order_id=order_id, reference=order.reference, effective_at=order.effective_at or unit.now),
        subject=event.subject,
    )
    await replace_held(event, order_id, unit)
    if tenant["reseller_id"] is None:
        unit.enqueue(assign_reseller, AssignReseller(tenant_id=event.subject), key=event.subject)
    else:
        unit.enqueue(plan_order, PlanOrder(order_id=order_id), lane=lane_of_tenant(event.subject))


async def _new_order_id(event: Event[OrderPlaced], unit: Unit) -> str | None:
    """The id of an order: what its door answered. None when it came before; raises `Rejected` if it said otherwise then.

    An earlier build's door gives no id but answered the one without a principal; that holds, unless it is another's.
    An order kept by an earlier build does not say who sent it: anybody who sends it again counts as that sender.
    """
    old = identity.order_id(event.subject, event.source, event.id)
    new = event.order_id or identity.order_id(event.subject, event.source, event.id, event.principal)
    before = {row["id"]: row for row in await collect(sql.orders_among(unit.db, ids=[old, new]))}
    for row in before.values():
        if row["principal"] in (None, event.principal):
            if row["reference"] != event.data.reference:
                raise Rejected(Reason.ID_REUSE, "this id came before with other content")
            return None
    return new if event.order_id is not None or old in before else old


async def _register(tenant_id: str, details: TenantDetails, principal: str | None, unit: Unit) -> bool:
    """Make a firm a tenant, if it is not one; False when nobody knows where its town is."""
    place = places.find(details.address.comune, details.address.provincia)
    if place is None:
        return False
    added = await sql.add_tenant(
        unit.db, id=tenant_id, external_id=details.external_id, language=details.language, vertical=details.vertical,
        place=place.model_dump(mode="json"), registered_at=unit.now, registered_by=principal,
    )  # fmt: skip
    if added is not None:
        unit.publish(
            TenantRegistered(**details.model_dump(exclude={"contact"}), place=place), subject=tenant_id
        )  # the contact is a person: it stays in the order
    return True


async def _hold_unplaced(event: Event[OrderPlaced], order_id: str, unit: Unit) -> None:
    """An order from a town the table does not know waits for a person."""
    await _keep(event, order_id, OrderState.HELD, unit)
    unit.publish(
        OrderHeld(
            order_id=order_id, reference=event.data.reference, reason=Reason.UNKNOWN_PLACE,
            explanation=_which_town(event.data),
        ),
        subject=event.subject,
    )  # fmt: skip
    metrics.ORDERS_HELD.labels(Reason.UNKNOWN_PLACE).inc()


def _which_town(order: OrderPlaced) -> str:
    """What the sender of an order from an unknown town is told."""
    said = "the town is not in the table of places: correct the address and order again"
    if order.tenant is None:
        return said
    address = order.tenant.address
    likely = places.candidates(address.comune, address.provincia)
    return f"{said}; perhaps {', '.join(f'{p.comune} ({p.provincia})' for p in likely)}" if likely else said


async def _keep(
    event: Event[OrderPlaced], order_id: str, state: OrderState, unit: Unit, judged_for: str | None = None
) -> None:
    """Write the order and its items."""
    order = event.data
    await store.add_order(
        unit.db,
        order_id,
        event.subject,
        order.reference,
        state,
        order.effective_at or unit.now,
        unit.now,
        event.revision or 0,
        event.principal,
        judged_for,
    )
    for n, item in enumerate(order.items):
        added = item.action is ItemAction.ADD
        await sql.add_item(
            unit.db, order_id=order_id, n=n, action=item.action, sku=item.sku,
            service_id=identity.service_id(order_id, n) if added else item.service_id, quantities=to_json(item.quantities),
        )  # fmt: skip


async def assignment_decided(event: Event[AssignmentDecided], unit: Unit) -> None:
    """An operator places a tenant that the policy could not."""
    tenant = await sql.lock_tenant(unit.db, id=event.subject)
    if tenant is None:
        raise Missing(Reason.UNKNOWN_TENANT, "no such tenant")
    if tenant["reseller_id"] is not None:
        raise Rejected(Reason.ALREADY_ASSIGNED, "this tenant has a reseller")
    if not await store.open_orders(unit.db, event.subject):
        raise Rejected(Reason.NOTHING_WAITS, "this tenant has no order that waits for a reseller")
    if await sql.force_capacity(unit.db, id=event.data.reseller_id) is None:
        raise Missing(Reason.UNKNOWN_RESELLER, "no such reseller")
    await sql.release_orders(unit.db, tenant_id=event.subject)
    await assign(tenant, event.data.reseller_id, TenantAssignedBy.OPERATOR, unit)


async def order_reviewed(event: Event[OrderReviewed], unit: Unit) -> None:
    """An operator lets an order go on that waits for a person, or ends it."""
    if await review_order(event, unit):
        unit.enqueue(plan_order, PlanOrder(order_id=event.data.order_id), lane=lane_of_tenant(event.subject))


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Plans in force."""
    revision = event.data.revision
    for plan in event.data.plans:
        await sql.put_plan(unit.db, sku=plan.sku, revision=revision, plan=plan.model_dump(mode="json"))
    await sql.withdraw_plans(unit.db, revision=revision)
    await sql.note_revision(unit.db, revision=revision)


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """A reseller, and the room it has."""
    profile = ResellerProfile.model_validate(event.data.model_dump(exclude={"revision"}))
    await sql.put_reseller(
        unit.db, id=profile.reseller_id, profile=profile.model_dump(mode="json"), capacity=profile.capacity,
        active_elsewhere=profile.active, revision=event.data.revision,
    )  # fmt: skip
    await sql.note_revision(unit.db, revision=event.data.revision)


ROUTES = routes(
    on(OrderPlaced, order_placed),
    on(AssignmentDecided, assignment_decided),
    on(OrderReviewed, order_reviewed),
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
)
