"""Start a service: its quantities from a day on, its plan frozen as it was sold, its first invoice planned."""

from schemas.tenants import ServiceActivated
from services.billing import store
from services.billing.domain.periods import civil_day
from services.billing.domain.quantities import PRESENT, starts_at
from services.billing.job_kinds import CountService, count_service
from services.billing.metering.closing import mark_dirty
from services.billing.metering.intake import UsageIntake
from services.billing.store import sql
from services.billing.usecases.change_service import save_quantities
from services.billing.usecases.plan_invoice import plan_invoice
from services.chassis.unit import Unit


class PlanMissing(LookupError):
    """The catalogue is not here yet."""


async def start_service(tenant_id: str, data: ServiceActivated, unit: Unit) -> None:
    """Save a new service's quantities, and begin to count it as soon as its plan is known."""
    await sql.ensure_tenant(unit.db, id=tenant_id)
    await save_quantities(data.service_id, data.quantities or PRESENT, data.effective_at, unit)
    args = CountService(
        service_id=data.service_id,
        tenant_id=tenant_id,
        sku=data.sku,
        item=data.item,
        effective_at=data.effective_at,
        activated_at=data.activated_at,
        revision=data.catalogue_revision,
    )
    unit.enqueue(count_service, args, key=data.service_id)


async def begin_counting(
    args: CountService, intake: UsageIntake, grace_hours: int, unit: Unit
) -> None:
    """Freeze the plan as sold, count what was parked, and plan the first invoice of the service.

    Raises `PlanMissing` while no catalogue has the plan.
    """
    seen = await sql.whats_known(unit.db)
    if args.revision is not None and seen["revision"] < args.revision:
        raise PlanMissing("the catalogue that it was ordered by is not here yet")
    tenant = await store.lock_tenant(unit.db, args.tenant_id)
    start = starts_at(args.effective_at, args.activated_at, tenant.zone)
    plan = await sql.plan(unit.db, sku=args.sku, revision=args.revision, instant=start)
    if plan is None:
        raise PlanMissing("the catalogue is not here yet")
    await sql.add_service(
        unit.db, id=args.service_id, tenant_id=args.tenant_id, sku=args.sku, item=args.item,
        activated_at=start, plan=plan["plan"], currency=plan["currency"],
    )  # fmt: skip
    await intake.count_parked(args.service_id, unit)
    started = civil_day(start, tenant.zone)
    await mark_dirty(unit.db, args.tenant_id, started)
    await plan_invoice(tenant, started, grace_hours, unit.now, unit)
