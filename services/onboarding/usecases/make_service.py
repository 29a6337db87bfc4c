"""Make a service instance step by step: each step made asks for the next one, and the last one activates it."""

from schemas.tenants import OrderState, ServiceActivated
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import Order, ServiceInstance
from services.onboarding.domain.orders import item_that_makes
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import Step, provision_step
from services.onboarding.usecases.end_order import CANCELLED, activate_tenant, settle
from services.onboarding.usecases.enqueue import enqueue_call
from services.onboarding.usecases.undo_service import begin_undoing


async def step_made(service: ServiceInstance, step: int, unit: Unit) -> None:
    """A step of the plan is made. Of an order that was cancelled meanwhile it is taken back."""
    done = step + 1
    is_last = done == len(service.plan.provisioning)
    if is_last:
        await store.tenant_at_hand(unit.db, service.tenant_id)
    order = await store.order_at_hand(unit.db, service.order_id)
    if order.state is OrderState.PENDING_CANCELLATION:
        await begin_undoing(Step(service_id=service.id, step=step), CANCELLED, unit)
        return
    if is_last:
        await _activate(service, order, done, unit)
        return
    await store.move_service(unit.db, service, ServiceState.PROVISIONING, done)
    following = Step(service_id=service.id, step=done)
    enqueue_call(
        provision_step, following, service.reseller_id, unit, service.plan.provisioning[done]
    )


async def _activate(service: ServiceInstance, order: Order, steps_done: int, unit: Unit) -> None:
    await store.move_service(unit.db, service, ServiceState.ACTIVE, steps_done)
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
