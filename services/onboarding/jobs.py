"""Assignment, planning and calls of back-ends: each job calls its use case and finishes. The routing table is at the bottom."""

from functools import partial

from services.chassis.jobs import Delay, Job, JobHandler, RetryLater, handle
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.adapters import Drivers, Instance
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.domain.orders import quantities
from services.onboarding.domain.quotas import Quota
from services.onboarding.job_kinds import (
    AssignReseller,
    ChangeService,
    PlanOrder,
    Step,
    UndoStep,
    assign_reseller,
    change_service,
    plan_order,
    provision_step,
    undo_step,
)
from services.onboarding.usecases.assign_reseller import assign_by_policy
from services.onboarding.usecases.change_service import change_failed, service_changed
from services.onboarding.usecases.make_service import step_made
from services.onboarding.usecases.plan_order import CatalogueBehind, ServiceInTheMaking, plan_items
from services.onboarding.usecases.report_delay import report_delayed_change, report_delayed_step
from services.onboarding.usecases.undo_service import (
    StepMissing,
    begin_undoing,
    step_found,
    step_undone,
)

CATALOGUE_WAIT_SECONDS = 0.2
SERVICE_WAIT_SECONDS = 0.5


async def run_assign_reseller(job: Job[AssignReseller], quota: Quota) -> None:
    """Place a tenant."""
    async with job.finish() as unit:
        try:
            await assign_by_policy(job.args.tenant_id, quota, unit)
        except CatalogueBehind as behind:
            raise RetryLater(CATALOGUE_WAIT_SECONDS, str(behind)) from behind


async def run_plan_order(job: Job[PlanOrder], quota: Quota) -> None:
    """Begin with the items of an order."""
    async with job.finish() as unit:
        try:
            await plan_items(job.args.order_id, quota, unit)
        except CatalogueBehind as behind:
            raise RetryLater(CATALOGUE_WAIT_SECONDS, str(behind)) from behind
        except ServiceInTheMaking as making:
            raise RetryLater(SERVICE_WAIT_SECONDS, str(making)) from making


async def run_provision_step(job: Job[Step], drivers: Drivers) -> None:
    """Make one step of a service instance."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
    step = service.plan.provisioning[job.args.step]
    job.give_up_after = drivers.give_up_after(step)
    await drivers.of(step).provision(_instance(service), step, job.idempotency_key)
    async with job.finish() as unit:
        await step_made(service, job.args.step, unit)


async def provisioning_gave_up(args: Step, unit: Unit, why: str) -> None:
    """Take back what was made."""
    await begin_undoing(args, why, unit)


async def provisioning_delayed(args: Step, unit: Unit, delay: Delay) -> None:
    """Report what the order waits for."""
    await report_delayed_step(args, delay, unit)


async def run_undo_step(job: Job[UndoStep], drivers: Drivers) -> None:
    """Take back one step, once it was seen that what it made is there."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
    step, driver = (
        service.plan.provisioning[job.args.step],
        drivers.of(service.plan.provisioning[job.args.step]),
    )
    if job.args.step < service.steps_done and not job.args.found:
        if not await driver.exists(_instance(service), step, job.idempotency_key):
            raise StepMissing(job.args.step, step)
        async with job.finish() as unit:
            step_found(service, job.args, unit)
        return
    await driver.deprovision(_instance(service), step, job.idempotency_key)
    async with job.finish() as unit:
        await step_undone(service, job.args, unit)


async def run_change_service(job: Job[ChangeService], drivers: Drivers) -> None:
    """Change the quantities of a service instance, in its back-ends and here."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
        item = next(
            item for item in await store.items(db, job.args.order_id) if item.n == job.args.n
        )
    after = quantities(service.plan, item.quantities, service.quantities)
    steps = service.plan.provisioning
    job.give_up_after = max(drivers.give_up_after(step) for step in steps)
    for n, step in enumerate(steps):
        changed = Instance(service.id, service.tenant_id, service.sku, after)
        await drivers.of(step).change(changed, step, f"{job.idempotency_key}-{n}")
    async with job.finish() as unit:
        await service_changed(service, after, item.quantities, job.args, unit)


async def change_gave_up(args: ChangeService, unit: Unit, why: str) -> None:
    """End the item."""
    await change_failed(args, why, unit)


async def change_delayed(args: ChangeService, unit: Unit, delay: Delay) -> None:
    """Report what the order waits for."""
    await report_delayed_change(args, delay, unit)


def _instance(service: ServiceInstance) -> Instance:
    return Instance(service.id, service.tenant_id, service.sku, service.quantities)


def jobs(drivers: Drivers, quota: Quota) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    provision, undo, change = (
        partial(run, drivers=drivers)
        for run in (run_provision_step, run_undo_step, run_change_service)
    )
    return (
        handle(assign_reseller, partial(run_assign_reseller, quota=quota)),
        handle(plan_order, partial(run_plan_order, quota=quota)),
        handle(
            provision_step, provision, exhausted=provisioning_gave_up, delayed=provisioning_delayed
        ),
        handle(undo_step, undo),
        handle(change_service, change, exhausted=change_gave_up, delayed=change_delayed),
    )
