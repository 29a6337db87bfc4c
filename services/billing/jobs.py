"""Timers and waits: each job calls its use case and finishes. The routing table is at the bottom."""

from datetime import timedelta
from functools import partial

from services.billing import store
from services.billing.job_kinds import (
    AuditBooks,
    CheckMeters,
    CountService,
    CountWaiting,
    InvoiceRun,
    TellOverdue,
    WatchCaps,
    audit_books,
    check_meters,
    count_service,
    count_waiting,
    invoice_run,
    overdue,
    watch_caps,
)
from services.billing.metering.intake import UsageIntake
from services.billing.usecases.check_meters import compare_some, go_on
from services.billing.usecases.hold_run import is_held
from services.billing.usecases.issue_invoice import issue_invoices
from services.billing.usecases.plan_invoice import job_key, plan_next_invoice
from services.billing.usecases.record_payment import tell_overdue
from services.billing.usecases.report_parked import report_parked, report_released
from services.billing.usecases.start_service import PlanMissing, begin_counting
from services.billing.usecases.watch_books import audit_some, go_on_auditing
from services.billing.usecases.watch_caps import tell
from services.chassis.jobs import Delay, Job, JobHandler, RetryLater, handle
from services.chassis.unit import Unit

CATALOGUE_WAIT_SECONDS = 0.2
WATCH_EVERY = timedelta(minutes=10)
RUNS_BESIDE = 49
"""Runs that share a transaction with the one whose job it is. Usage of their tenants waits for it."""


async def run_count_service(job: Job[CountService], intake: UsageIntake, grace_hours: int) -> None:
    """Begin to count a service, once its plan is known."""
    async with job.finish() as unit:
        try:
            await begin_counting(job.args, intake, grace_hours, unit)
        except PlanMissing as missing:
            raise RetryLater(CATALOGUE_WAIT_SECONDS, str(missing)) from missing


async def run_count_waiting(job: Job[CountWaiting], intake: UsageIntake) -> None:
    """Count what waited for the catalogue, or for an invoice run."""
    async with job.finish() as unit:
        await intake.count_parked(job.args.waits_for, unit)


async def run_invoice(job: Job[InvoiceRun], grace_hours: int) -> None:
    """Issue the invoice and plan the next one, and so for others that are due at the same boundary.

    A run that a person holds is asked for again when it is approved.
    """
    tenant_id, boundary = job.args.tenant_id, job.args.boundary
    async with job.finish() as unit:
        if await is_held(tenant_id, boundary, unit):
            return
        beside = (
            RUNS_BESIDE if job.attempt == 1 else 0
        )  # whose fault a failure was, is seen when each is alone
        done = await issue_invoices(tenant_id, boundary, grace_hours, unit, beside)
        await plan_next_invoice(tenant_id, boundary, grace_hours, done.own or unit.now, unit)
        for other, as_of in done.beside.items():
            unit.cancel(invoice_run, job_key(other, boundary))
            await plan_next_invoice(other, boundary, grace_hours, as_of, unit)
        if job.delay_told:
            report_released(job.args, unit)


async def invoice_delayed(args: InvoiceRun, unit: Unit, delay: Delay) -> None:
    """Report that a tenant has no invoice yet."""
    await report_parked(args, delay, unit)


async def run_watch_caps(job: Job[WatchCaps]) -> None:
    """Tell what is reached, and look again in ten minutes while the tenant has a cap."""
    async with job.finish() as unit:
        tenant = await store.tenant(unit.db, job.args.tenant_id)
        if tenant is not None and await tell(tenant, unit):
            unit.enqueue(watch_caps, job.args, at=unit.now + WATCH_EVERY, key=tenant.id)


async def run_overdue(job: Job[TellOverdue]) -> None:
    """Tell that an invoice is overdue, if it is."""
    async with job.finish() as unit:
        await tell_overdue(job.args.invoice_id, unit)


async def run_check_meters(job: Job[CheckMeters], raw_days: int) -> None:
    """Compare some tenants' buckets with their raw events, outside of the transaction that saves the result."""
    async with job.read() as db:
        checked = await compare_some(db, job.args, job.now.date())
    async with job.finish() as unit:
        await go_on(checked, raw_days, unit)


async def run_audit_books(job: Job[AuditBooks]) -> None:
    """Compare the books of some tenants, outside of the transaction that saves the result."""
    async with job.read() as db:
        found = await audit_some(db, job.args, job.now.date())
    async with job.finish() as unit:
        await go_on_auditing(found, unit)


def jobs(intake: UsageIntake, grace_hours: int, raw_days: int) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(count_service, partial(run_count_service, intake=intake, grace_hours=grace_hours)),
        handle(count_waiting, partial(run_count_waiting, intake=intake)),
        handle(invoice_run, partial(run_invoice, grace_hours=grace_hours), delayed=invoice_delayed),
        handle(watch_caps, run_watch_caps),
        handle(overdue, run_overdue),
        handle(check_meters, partial(run_check_meters, raw_days=raw_days)),
        handle(audit_books, run_audit_books),
    )
