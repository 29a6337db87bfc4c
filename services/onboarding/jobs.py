"""Assignment, planning and calls of back-ends: each job calls its use case and finishes. The routing table is at the bottom."""

from datetime import timedelta
from functools import partial
from typing import Any

from schemas.orders import ItemAction
from services.chassis.jobs import Delay, Job, JobHandler, RetryLater, handle
from services.chassis.logs import logger
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.adapters import Drivers, Instance
from services.onboarding.domain.changes import THERE, after
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.domain.orders import OrderFault
from services.onboarding.domain.quotas import Quota
from services.onboarding.domain.states import ServiceState
from services.onboarding.job_kinds import (
    AssignReseller,
    BeginItem,
    ChangeService,
    MonthBegins,
    MoveTenant,
    PlanOrder,
    RemoveStep,
    RestoreService,
    Step,
    UndoStep,
    assign_reseller,
    begin_item,
    change_service,
    month_begins,
    move_tenant,
    plan_order,
    provision_step,
    remove_step,
    restore_service,
    undo_step,
)
from services.onboarding.store import sql
from services.onboarding.usecases.assign_reseller import assign_by_policy
from services.onboarding.usecases.begin_items import ServiceInTheMaking, begin_due
from services.onboarding.usecases.bound_spending import begin_month
from services.onboarding.usecases.change_service import (
    change_failed,
    nothing_changed,
    service_changed,
)
from services.onboarding.usecases.end_order import CANCELLED
from services.onboarding.usecases.make_service import step_made
from services.onboarding.usecases.move_tenant import move_on_its_day
from services.onboarding.usecases.plan_order import CatalogueBehind, plan_items
from services.onboarding.usecases.remove_service import step_removed
from services.onboarding.usecases.report_delay import report_delayed_change, report_delayed_step
from services.onboarding.usecases.undo_service import (
    StepMissing,
    begin_undoing,
    step_found,
    step_undone,
)

log = logger(__name__)
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
        is_cancelled = await store.is_cancelled(db, service.order_id)
    if is_cancelled:
        async with job.finish() as unit:
            await begin_undoing(job.args, CANCELLED, unit)
        return
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


async def run_begin_item(job: Job[BeginItem]) -> None:
    """Begin with what is due of a service."""
    async with job.finish() as unit:
        try:
            await begin_due(job.args.service_id, unit)
        except ServiceInTheMaking as making:
            raise RetryLater(SERVICE_WAIT_SECONDS, str(making)) from making


async def run_month_begins(job: Job[MonthBegins]) -> None:
    """Let serve again what the caps of last month suspended."""
    async with job.finish() as unit:
        await begin_month(job.args.tenant_id, unit)


async def run_move_tenant(job: Job[MoveTenant]) -> None:
    """Move a tenant whose day has come."""
    async with job.finish() as unit:
        await move_on_its_day(job.args, unit)


async def run_change_service(
    job: Job[ChangeService], drivers: Drivers, retention: timedelta
) -> None:
    """Change a service instance, in its back-ends and here."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
        item = await store.item_at_hand(db, job.args.order_id, job.args.n)
        is_cancelled = await store.is_cancelled(db, job.args.order_id)
        principal = await sql.sender_of_order(db, id=job.args.order_id)
    if is_cancelled:
        async with job.finish() as unit:
            await change_failed(job.args, CANCELLED, unit)
        return
    try:
        wanted = after(service, item, principal)
    except OrderFault as fault:  # an order accepted before it ended the service
        async with job.finish() as unit:
            await nothing_changed(job.args, f"{fault.reason}: {fault.explanation}", unit)
        return
    await _bring(job, wanted, drivers)
    async with job.finish() as unit:
        await service_changed(wanted, item, job.args, retention, unit)


async def _bring(job: Job[Any], wanted: ServiceInstance, drivers: Drivers) -> None:
    """Bring every back-end of a service to what it shall be."""
    steps = wanted.plan.provisioning
    job.give_up_after = max(drivers.give_up_after(step) for step in steps)
    for n, step in enumerate(steps):
        await drivers.of(step).change(_instance(wanted), step, f"{job.idempotency_key}-{n}")


async def change_gave_up(args: ChangeService, unit: Unit, why: str, retention: timedelta) -> None:
    """The item fails; but who leaves is not kept because a back-end does not answer."""
    item = await store.item_at_hand(unit.db, args.order_id, args.n)
    if item.action is not ItemAction.END:
        await change_failed(args, why, unit)
        return
    service = await store.service_at_hand(unit.db, args.service_id)
    log.warning("a service ends whose back-end was not suspended", about=args.about, why=why)
    await service_changed(after(service, item), item, args, retention, unit)


async def run_restore_service(job: Job[RestoreService], drivers: Drivers) -> None:
    """Bring the back-ends of a service back to what it is, if it is there still."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
    if service.state in THERE:
        await _bring(job, service, drivers)
    async with job.finish():
        pass  # nothing is kept of it


async def run_remove_step(job: Job[RemoveStep], drivers: Drivers) -> None:
    """Remove what a step of an ended service made."""
    async with job.read() as db:
        service = await store.service_at_hand(db, job.args.service_id)
    step = service.plan.provisioning[job.args.step]
    await drivers.of(step).deprovision(_instance(service), step, job.idempotency_key)
    async with job.finish() as unit:
        await step_removed(service, job.args.step, unit)


async def change_delayed(args: ChangeService, unit: Unit, delay: Delay) -> None:
    """Report what the order waits for."""
    await report_delayed_change(args, delay, unit)


def _instance(service: ServiceInstance) -> Instance:
    is_suspended = service.state in (ServiceState.SUSPENDED, ServiceState.ENDED)
    return Instance(
        service.id, service.tenant_id, service.sku, service.quantities, is_suspended=is_suspended
    )


def jobs(drivers: Drivers, quota: Quota, retention: timedelta) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    provision, undo = (partial(run, drivers=drivers) for run in (run_provision_step, run_undo_step))
    change = partial(run_change_service, drivers=drivers, retention=retention)
    gave_up = partial(change_gave_up, retention=retention)
    return (
        handle(assign_reseller, partial(run_assign_reseller, quota=quota)),
        handle(plan_order, partial(run_plan_order, quota=quota)),
        handle(
            provision_step, provision, exhausted=provisioning_gave_up, delayed=provisioning_delayed
        ),
        handle(undo_step, undo),
        handle(begin_item, run_begin_item),
        handle(change_service, change, exhausted=gave_up, delayed=change_delayed),
        handle(month_begins, run_month_begins),
        handle(move_tenant, run_move_tenant),
        handle(restore_service, partial(run_restore_service, drivers=drivers)),
        handle(remove_step, partial(run_remove_step, drivers=drivers)),
    )
