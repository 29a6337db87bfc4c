"""Begin with the items of an order: what shall take effect later is begun when its time has come."""

from collections.abc import Mapping

from schemas.catalogue import Plan
from schemas.orders import ItemAction
from schemas.reasons import Reason
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.changes import after
from services.onboarding.domain.model import Item, Order
from services.onboarding.domain.orders import OrderFault, Sellable, quantities
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import (
    BeginItem,
    ChangeService,
    Step,
    begin_item,
    change_service,
    provision_step,
)
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import settle
from services.onboarding.usecases.enqueue import enqueue_call, lane_of_service


class ServiceInTheMaking(LookupError):
    """A service that is to be changed is still being made by an earlier order."""

    def __init__(self) -> None:
        super().__init__("the service is still being made, by an earlier order")


async def begin(order: Order, item: Item, plans: Mapping[str, Plan], unit: Unit) -> None:
    """Begin with an item now, or when it shall take effect; one that cannot be done fails alone.

    A new service is made at once: it is there when it is wanted. Raises `ServiceInTheMaking`.
    """
    try:
        if item.action is ItemAction.ADD:
            await _begin_service(order, item, Sellable(plans).plan(item.sku or ""), unit)
        elif order.effective_at > unit.now:
            await _check_change(order, item, unit)
            await _begin_later(order, item, unit)
        else:
            await _begin_change(order, item, unit)
    except OrderFault as fault:
        await settle(
            order.id, item.n, ItemState.FAILED, f"{fault.reason}: {fault.explanation}", unit
        )


async def begin_due(service_id: str, unit: Unit) -> None:
    """Begin with all that is due of one service instance, in the order in which it takes effect and was accepted.

    Raises `ServiceInTheMaking`: then it is tried again as a whole.
    """
    service = await store.service_at_hand(unit.db, service_id)
    await store.tenant_at_hand(unit.db, service.tenant_id)
    for order_id, n in await store.due_items(unit.db, service_id, unit.now):
        order = await store.order_at_hand(unit.db, order_id)
        item = next(item for item in await store.items(unit.db, order_id) if item.n == n)
        await sql.begin_item_at(unit.db, order_id=order_id, n=n, at=None)
        if item.state is ItemState.PENDING:
            await begin(order, item, {}, unit)


async def _begin_service(order: Order, item: Item, plan: Plan, unit: Unit) -> None:
    await sql.add_service(
        unit.db, id=item.service_id, tenant_id=order.tenant_id, order_id=order.id, sku=plan.sku,
        quantities=to_json(quantities(plan, item.quantities)), plan=plan.model_dump(mode="json"),
        ordered_by=order.principal, begun_at=unit.now, state=ServiceState.PROVISIONING,
    )  # fmt: skip
    first = Step(service_id=item.service_id, step=0)
    enqueue_call(provision_step, first, order.reseller_id, unit, plan.provisioning[0])


async def _begin_later(order: Order, item: Item, unit: Unit) -> None:
    await sql.begin_item_at(unit.db, order_id=order.id, n=item.n, at=order.effective_at)
    args = BeginItem(order_id=order.id, n=item.n, service_id=item.service_id)
    unit.enqueue(begin_item, args, at=order.effective_at, key=args.about)


async def _begin_change(order: Order, item: Item, unit: Unit) -> None:
    plan = await _check_change(order, item, unit)
    change = ChangeService(order_id=order.id, n=item.n, service_id=item.service_id)
    lane = lane_of_service(item.service_id)
    enqueue_call(change_service, change, order.reseller_id, unit, *plan.provisioning, lane=lane)


async def _check_change(order: Order, item: Item, unit: Unit) -> Plan:
    """The plan of the service that an item changes. Raises `ServiceInTheMaking`, and `OrderFault` for what cannot be had."""
    service = await store.service(unit.db, item.service_id)
    if await sql.is_being_made(
        unit.db, id=item.service_id, tenant_id=order.tenant_id, order_id=order.id
    ):
        raise ServiceInTheMaking
    if service is None or service.tenant_id != order.tenant_id:
        raise OrderFault(Reason.UNKNOWN_SERVICE, "no such active service instance of this tenant")
    after(service, item, order.principal)
    return service.plan
