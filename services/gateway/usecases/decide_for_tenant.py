"""Publish the operator's decisions: who serves a tenant, and what becomes of an order that waits."""

from uuid import uuid4

from schemas.orders import AssignmentDecided, OrderReviewed
from schemas.reasons import Reason
from services.chassis.web import Problem, refused
from services.gateway import store
from services.gateway.operator_requests import Decision, ReviewSpec
from services.gateway.principals import tenant_keys
from services.gateway.usecases.registry import Registry


async def decide_assignment(registry: Registry, tenant_id: str, decision: Decision) -> str:
    """Say who shall serve a tenant; returns the event's id. Raises `Problem` 404, 409 (`already_assigned`)."""
    async with registry.runtime.unit(f"decision|{uuid4()}") as unit:
        tenant = await store.tenant(unit.db, tenant_id)
        reseller = await store.reseller(unit.db, decision.reseller_id)
        if tenant is None or reseller is None:
            raise Problem(404, "Not Found", "no such tenant or reseller")
        if tenant.reseller_id is not None:
            taken = f"{tenant.reseller_id} serves this tenant"
            raise refused("/reseller_id", Reason.ALREADY_ASSIGNED, taken)
        keys = await tenant_keys.held(
            unit.db, registry.contacts, [tenant_id] if decision.reason else []
        )
        sealing = keys[tenant_id].seal_event if keys else None
        return unit.publish(
            AssignmentDecided(**decision.model_dump()), subject=tenant_id, sealing=sealing
        ).id


async def review_order(registry: Registry, tenant_id: str, order_id: str, spec: ReviewSpec) -> str:
    """Let an order of a tenant go on, or end it; returns the event's id.

    A firm whose town is not known is no tenant yet and has orders nevertheless: the tenant is not looked up.
    """
    async with registry.runtime.unit(f"review|{uuid4()}") as unit:
        return unit.publish(
            OrderReviewed(order_id=order_id, **spec.model_dump()), subject=tenant_id
        ).id
