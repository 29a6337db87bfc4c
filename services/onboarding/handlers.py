"""Events in: orders, operators' decisions, and the catalogue. Each handler calls its use case."""

from schemas.billing import CapReached, CapSet, TenantCapReached, TenantCapSet
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.orders import (
    AssignmentDecided,
    OrderCancelRequested,
    OrderPlaced,
    OrderReviewed,
    ReassignmentDecided,
)
from services.chassis.engine.records import on, routes
from services.chassis.unit import Unit
from services.onboarding.usecases.assign_reseller import assign_by_operator
from services.onboarding.usecases.bound_spending import cap_reached, cap_set
from services.onboarding.usecases.cancel_order import cancel_order
from services.onboarding.usecases.move_tenant import decide_move
from services.onboarding.usecases.place_order import place_order
from services.onboarding.usecases.publish_catalogue import publish_catalogue, register_reseller
from services.onboarding.usecases.review_order import review_order


async def order_placed(event: Event[OrderPlaced], unit: Unit) -> None:
    """A firm orders services."""
    await place_order(event, unit)


async def assignment_decided(event: Event[AssignmentDecided], unit: Unit) -> None:
    """An operator places a tenant that the policy could not place."""
    await assign_by_operator(event, unit)


async def reassignment_decided(event: Event[ReassignmentDecided], unit: Unit) -> None:
    """An operator moves a tenant to another reseller."""
    await decide_move(event, unit)


async def order_reviewed(event: Event[OrderReviewed], unit: Unit) -> None:
    """An operator releases an order that waits for a person, or ends it."""
    await review_order(event, unit)


async def order_cancel_requested(event: Event[OrderCancelRequested], unit: Unit) -> None:
    """Whoever orders for the tenant wants an order back."""
    await cancel_order(event, unit)


async def cap_is_reached(event: Event[CapReached | TenantCapReached], unit: Unit) -> None:
    """A share of a cap is spent."""
    await cap_reached(event.subject, event.data, event.id, unit)


async def cap_is_set(event: Event[CapSet | TenantCapSet], unit: Unit) -> None:
    """A cap was set, changed or lifted."""
    await cap_set(event.subject, event.data, event.id, unit)


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Other plans are on sale."""
    await publish_catalogue(event.data, unit)


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """A reseller is new, or has changed."""
    await register_reseller(event.data, unit)


ROUTES = routes(
    on(OrderPlaced, order_placed),
    on(AssignmentDecided, assignment_decided),
    on(ReassignmentDecided, reassignment_decided),
    on(OrderReviewed, order_reviewed),
    on(OrderCancelRequested, order_cancel_requested),
    on(CapReached, cap_is_reached),
    on(TenantCapReached, cap_is_reached),
    on(CapSet, cap_is_set),
    on(TenantCapSet, cap_is_set),
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
)
