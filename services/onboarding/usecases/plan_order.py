"""Turn the items of an order into service instances to be made, and into changes; one that cannot be done fails alone."""

from collections.abc import Mapping

from schemas.catalogue import Plan
from schemas.orders import ItemAction
from schemas.reasons import Reason
from schemas.tenants import OrderState
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Item, Order
from services.onboarding.domain.orders import OrderFault, Sellable, quantities
from services.onboarding.domain.quotas import Quota
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import ChangeService, Step, change_service, provision_step
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import refuse_order, settle
from services.onboarding.usecases.enqueue import enqueue_call, lane_of_service
from services.onboarding.usecases.hold_over_quota import hold_over_quota


class CatalogueBehind(LookupError):
    """The catalogue that an order was judged by is not known yet."""

    def __init__(self) -> None:
        super().__init__("the catalogue that this order was judged by is not here yet")


class ServiceInTheMaking(LookupError):
    """A service that is to be changed is still being made by an earlier order."""

    def __init__(self) -> None:
        super().__init__("the service is still being made, by an earlier order")


async def plan_items(order_id: str, quota: Quota, unit: Unit) -> None:
    """Begin with every item of an order, unless it is refused or held.

    Raises `CatalogueBehind` and `ServiceInTheMaking`: then it is tried again as a whole.
    """
    tenant = await store.tenant_at_hand(unit.db, await sql.tenant_of_order(unit.db, id=order_id))
    order = await store.order_at_hand(unit.db, order_id)
    if order.state is not OrderState.ACKNOWLEDGED:
        return  # a person ended it, or another job planned it, while this one waited
    is_judged = order.judged_for in (None, tenant.reseller_id)
    if not is_judged and not Sender(order.principal).speaks_for(tenant.reseller_id):
        await refuse_order(order, unit)
        return
    if await sql.known_revision(unit.db) < order.revision:
        raise CatalogueBehind
    if await hold_over_quota(order, quota, unit):
        return
    await store.move_order(unit.db, order, OrderState.IN_PROGRESS)
    plans = await store.plans(unit.db)
    for item in await store.items(unit.db, order.id):
        try:
            await _begin(order, item, plans, unit)
        except OrderFault as fault:
            await settle(
                order.id, item.n, ItemState.FAILED, f"{fault.reason}: {fault.explanation}", unit
            )


async def _begin(order: Order, item: Item, plans: Mapping[str, Plan], unit: Unit) -> None:
    if item.action is ItemAction.ADD:
        await _begin_service(order, item, Sellable(plans).plan(item.sku or ""), unit)
    else:
        await _begin_change(order, item, unit)


async def _begin_service(order: Order, item: Item, plan: Plan, unit: Unit) -> None:
    await sql.add_service(
        unit.db, id=item.service_id, tenant_id=order.tenant_id, order_id=order.id, sku=plan.sku,
        quantities=to_json(quantities(plan, item.quantities)), plan=plan.model_dump(mode="json"),
        ordered_by=order.principal, begun_at=unit.now, state=ServiceState.PROVISIONING,
    )  # fmt: skip
    first = Step(service_id=item.service_id, step=0)
    enqueue_call(provision_step, first, order.reseller_id, unit, plan.provisioning[0])


async def _begin_change(order: Order, item: Item, unit: Unit) -> None:
    service = await store.service(unit.db, item.service_id)
    if await sql.is_being_made(
        unit.db, id=item.service_id, tenant_id=order.tenant_id, order_id=order.id
    ):
        raise ServiceInTheMaking
    if (
        service is None
        or service.tenant_id != order.tenant_id
        or service.state is not ServiceState.ACTIVE
    ):
        raise OrderFault(Reason.UNKNOWN_SERVICE, "no such active service instance of this tenant")
    # Raises `OrderFault` for what cannot be had.
    quantities(service.plan, item.quantities, service.quantities)
    change = ChangeService(order_id=order.id, n=item.n, service_id=service.id)
    lane = lane_of_service(service.id)
    enqueue_call(
        change_service, change, order.reseller_id, unit, *service.plan.provisioning, lane=lane
    )
