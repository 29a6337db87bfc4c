"""Change a service instance, once its back-ends have changed: its quantities, or the state that it is in."""

from datetime import timedelta

from schemas.orders import ItemAction
from schemas.reasons import Reason
from schemas.tenants import (
    OrderState,
    ServiceChanged,
    ServiceEnded,
    ServiceResumed,
    ServiceSuspended,
)
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.changes import why_suspended
from services.onboarding.domain.model import Item, Order, ServiceInstance
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import ChangeService, RestoreService, restore_service
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import CANCELLED, settle
from services.onboarding.usecases.enqueue import enqueue_call, lane_of_service
from services.onboarding.usecases.remove_service import enqueue_removal


async def service_changed(
    after: ServiceInstance, item: Item, args: ChangeService, retention: timedelta, unit: Unit
) -> None:
    """Every back-end has what the service instance is `after` the item. A cancelled order's change is taken back."""
    await store.tenant_at_hand(unit.db, after.tenant_id)
    order = await store.order_at_hand(unit.db, args.order_id)
    if order.state is OrderState.PENDING_CANCELLATION:
        await change_failed(args, CANCELLED, unit)
        return
    before = await store.lock_service(unit.db, after.id)
    if item.action is ItemAction.CHANGE:
        await _change_quantities(after, item, order, unit)
    else:
        if after.state is not before.state:
            await STATES[item.action](before, order, retention, unit)
        await sql.suspend_because(unit.db, id=after.id, because=after.suspended_because)
    await settle(order.id, args.n, ItemState.DONE, None, unit)


async def _change_quantities(after: ServiceInstance, item: Item, order: Order, unit: Unit) -> None:
    await sql.set_quantities(unit.db, id=after.id, quantities=to_json(after.quantities))
    unit.publish(
        ServiceChanged(
            service_id=after.id, order_id=order.id, sku=after.sku, quantities=after.quantities,
            effective_at=order.effective_at, changed=item.quantities,
        ),
        subject=order.tenant_id,
    )  # fmt: skip


async def _suspend(service: ServiceInstance, order: Order, _: timedelta, unit: Unit) -> None:
    since = service.next_state_at(order.effective_at)
    await store.move_service(unit.db, service, ServiceState.SUSPENDED, service.steps_done)
    await sql.state_since(unit.db, id=service.id, at=since)
    unit.publish(
        ServiceSuspended(
            service_id=service.id, sku=service.sku, effective_at=since,
            reason=why_suspended(order.principal), order_id=order.id,
        ),
        subject=order.tenant_id,
    )  # fmt: skip


async def _resume(service: ServiceInstance, order: Order, _: timedelta, unit: Unit) -> None:
    """Charged again from when it serves again, not from when that was asked for."""
    since = service.next_state_at(max(order.effective_at, unit.now))
    await store.move_service(unit.db, service, ServiceState.ACTIVE, service.steps_done)
    await sql.state_since(unit.db, id=service.id, at=since)
    unit.publish(
        ServiceResumed(
            service_id=service.id, sku=service.sku, effective_at=since, order_id=order.id,
        ),
        subject=order.tenant_id,
    )  # fmt: skip


async def _end(service: ServiceInstance, order: Order, retention: timedelta, unit: Unit) -> None:
    until = unit.now + retention
    await store.end_service(unit.db, service, order, until)
    unit.publish(
        ServiceEnded(
            service_id=service.id, sku=service.sku, effective_at=order.effective_at,
            reason=why_suspended(order.principal), order_id=order.id,
            retained_until=until,
        ),
        subject=order.tenant_id,
    )  # fmt: skip
    enqueue_removal(service, until, unit)


STATES = {ItemAction.SUSPEND: _suspend, ItemAction.RESUME: _resume, ItemAction.END: _end}


async def nothing_changed(args: ChangeService, fault: str, unit: Unit) -> None:
    """An earlier order left nothing to change: the item fails, and no back-end was asked."""
    service = await store.service_at_hand(unit.db, args.service_id)
    await store.tenant_at_hand(unit.db, service.tenant_id)
    await settle(args.order_id, args.n, ItemState.FAILED, fault, unit)


async def change_failed(args: ChangeService, why: str, unit: Unit) -> None:
    """It was given up, or cancelled: the service keeps what it had, in its back-ends too, and the item fails."""
    service = await store.service_at_hand(unit.db, args.service_id)
    await store.tenant_at_hand(unit.db, service.tenant_id)
    fault = why if why == CANCELLED else f"{Reason.CHANGE_FAILED}: {why}"
    restore = RestoreService(service_id=service.id, order_id=args.order_id, n=args.n)
    lane = lane_of_service(service.id)
    enqueue_call(
        restore_service, restore, service.reseller_id, unit, *service.plan.provisioning, lane=lane
    )
    await settle(args.order_id, args.n, ItemState.FAILED, fault, unit)
