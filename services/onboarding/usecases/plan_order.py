"""Plan an order: begin with its items, unless it is refused or held."""

from schemas.tenants import OrderScheduled, OrderState
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.quotas import Quota
from services.onboarding.store import sql
from services.onboarding.usecases.begin_items import begin
from services.onboarding.usecases.end_order import refuse_order
from services.onboarding.usecases.hold_over_quota import hold_over_quota


class CatalogueBehind(LookupError):
    """The catalogue that an order was judged by is not known yet."""

    def __init__(self) -> None:
        super().__init__("the catalogue that this order was judged by is not here yet")


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
        await begin(order, item, plans, unit)
    if any(item.begins_at is not None for item in await store.items(unit.db, order.id)):
        unit.publish(
            OrderScheduled(
                order_id=order.id, reference=order.reference, begins_at=order.effective_at
            ),
            subject=order.tenant_id,
        )
