"""Make a service instance step by step: each step made asks for the next one, and the last one activates it."""

from schemas.orders import ItemAction
from schemas.tenants import ServiceActivated
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import Item, ServiceInstance
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import Step, provision_step
from services.onboarding.usecases.end_order import activate_tenant, settle
from services.onboarding.usecases.enqueue import enqueue_call


async def step_made(service: ServiceInstance, step: int, unit: Unit) -> None:
    """A step of the plan is made."""
    done = step + 1
    if done == len(service.plan.provisioning):
        await _activate(service, done, unit)
        return
    await store.move_service(unit.db, service, ServiceState.PROVISIONING, done)
    following = Step(service_id=service.id, step=done)
    enqueue_call(
        provision_step, following, service.reseller_id, unit, service.plan.provisioning[done]
    )


async def _activate(service: ServiceInstance, steps_done: int, unit: Unit) -> None:
    await store.move_service(unit.db, service, ServiceState.ACTIVE, steps_done)
    order = await store.order_at_hand(unit.db, service.order_id)
    item = item_that_makes(service, await store.items(unit.db, order.id))
    unit.publish(
        ServiceActivated(
            service_id=service.id, order_id=order.id, item=item.n, sku=service.sku, quantities=service.quantities,
            effective_at=order.effective_at, activated_at=unit.now,
            catalogue_revision=order.revision or None,
        ),
        subject=service.tenant_id,
    )  # fmt: skip
    await activate_tenant(order, unit)
    await settle(order.id, item.n, ItemState.DONE, None, unit)


def item_that_makes(service: ServiceInstance, items: list[Item]) -> Item:
    """The item of its order that a service instance comes from."""
    return next(
        item for item in items if item.service_id == service.id and item.action is ItemAction.ADD
    )
