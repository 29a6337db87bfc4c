"""Report that an order waits for a back-end that has failed for a while: its reseller is notified of what it waits for."""

from schemas.tenants import OrderDelayed
from services.chassis.jobs import GIVE_UP_AFTER, Delay
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.domain.orders import item_that_makes
from services.onboarding.job_kinds import ChangeService, Step


async def report_delayed_step(args: Step, delay: Delay, unit: Unit) -> None:
    """A service instance waits to be made."""
    service = await store.lock_service(unit.db, args.service_id)
    item = item_that_makes(service, await store.items(unit.db, service.order_id))
    waits_for = (service.plan.provisioning[args.step].driver,)
    await _report(service.order_id, item.n, service, waits_for, delay, unit)


async def report_delayed_change(args: ChangeService, delay: Delay, unit: Unit) -> None:
    """A change waits. Its steps are changed in one go, so all their drivers are named."""
    service = await store.lock_service(unit.db, args.service_id)
    waits_for = tuple(dict.fromkeys(step.driver for step in service.plan.provisioning))
    await _report(args.order_id, args.n, service, waits_for, delay, unit)


async def _report(
    order_id: str,
    n: int,
    service: ServiceInstance,
    waits_for: tuple[str, ...],
    delay: Delay,
    unit: Unit,
) -> None:
    order = await store.order_at_hand(unit.db, order_id)
    unit.publish(
        OrderDelayed(
            order_id=order.id, reference=order.reference, reseller_id=order.reseller_id, item=n,
            service_id=service.id, waits_for=waits_for, since=delay.since,
            gives_up_at=delay.gives_up_at or delay.since + GIVE_UP_AFTER, explanation=delay.why,
        ),
        subject=order.tenant_id,
    )  # fmt: skip
