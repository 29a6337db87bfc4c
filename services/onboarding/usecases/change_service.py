"""Change the quantities of a service instance, once its back-ends have changed them."""

from decimal import Decimal

from schemas.reasons import Reason
from schemas.tenants import ServiceChanged
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.domain.states import ItemState
from services.onboarding.job_kinds import ChangeService
from services.onboarding.store import sql, to_json
from services.onboarding.usecases.end_order import settle


async def service_changed(
    service: ServiceInstance,
    after: dict[str, Decimal],
    ordered: dict[str, Decimal],
    args: ChangeService,
    unit: Unit,
) -> None:
    """Every back-end of the service has the quantities `after` the order, which named those `ordered`."""
    await store.lock_service(unit.db, service.id)
    await sql.set_quantities(unit.db, id=service.id, quantities=to_json(after))
    order = await store.order_at_hand(unit.db, args.order_id)
    unit.publish(
        ServiceChanged(
            service_id=service.id, order_id=order.id, sku=service.sku, quantities=after,
            effective_at=order.effective_at, changed=ordered,
        ),
        subject=order.tenant_id,
    )  # fmt: skip
    await settle(order.id, args.n, ItemState.DONE, None, unit)


async def change_failed(args: ChangeService, why: str, unit: Unit) -> None:
    """The time is used up, or a back-end refused for good: the service keeps what it had, the item fails."""
    await settle(args.order_id, args.n, ItemState.FAILED, f"{Reason.CHANGE_FAILED}: {why}", unit)
