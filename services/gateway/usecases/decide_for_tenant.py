"""Publish the operator's decisions: who serves a tenant, and what becomes of an order that waits."""

from uuid import uuid4

from schemas.horizon import EARLY_MAX
from schemas.orders import AssignmentDecided, OrderReviewed, ReassignmentDecided
from schemas.reasons import Reason
from services.chassis.web import Problem, refused
from services.gateway import store
from services.gateway.domain.reading import EFFECTIVE_AHEAD_MAX
from services.gateway.operator_requests import Decision, MoveSpec, ReviewSpec
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


async def decide_move(registry: Registry, tenant_id: str, spec: MoveSpec) -> str:
    """Move a tenant to another reseller; returns the event's id.

    Raises `Problem` 404, 409 (`already_assigned`) and 422 (`assignment_needed`, `bad_time`).
    """
    async with registry.runtime.unit(f"move|{uuid4()}") as unit:
        tenant = await store.tenant(unit.db, tenant_id)
        if tenant is None or await store.reseller(unit.db, spec.reseller_id) is None:
            raise Problem(404, "Not Found", "no such tenant or reseller")
        if tenant.reseller_id is None:
            raise refused(
                "/reseller_id", Reason.ASSIGNMENT_NEEDED, "it has no reseller: choose one instead"
            )
        if tenant.reseller_id == spec.reseller_id:
            raise refused(
                "/reseller_id", Reason.ALREADY_ASSIGNED, f"{spec.reseller_id} serves this tenant"
            )
        at = spec.effective_at
        if at is not None and not unit.now - EARLY_MAX <= at <= unit.now + EFFECTIVE_AHEAD_MAX:
            raise refused("/effective_at", Reason.BAD_TIME, "from now on to a year ahead")
        keys = await tenant_keys.held(
            unit.db, registry.contacts, [tenant_id] if spec.reason else []
        )
        sealing = keys[tenant_id].seal_event if keys else None
        said = ReassignmentDecided(**spec.model_dump())
        return unit.publish(said, subject=tenant_id, sealing=sealing).id


async def review_order(registry: Registry, tenant_id: str, order_id: str, spec: ReviewSpec) -> str:
    """Let an order of a tenant go on, or end it; returns the event's id.

    A firm whose town is not known is no tenant yet and has orders nevertheless: the tenant is not looked up.
    """
    async with registry.runtime.unit(f"review|{uuid4()}") as unit:
        return unit.publish(
            OrderReviewed(order_id=order_id, **spec.model_dump()), subject=tenant_id
        ).id
