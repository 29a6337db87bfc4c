"""Timers and waits: a service that is to be counted, and the invoice run of each tenant and boundary."""

from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from services.billing.domain.periods import civil_day, next_boundary
from services.billing.runs import due_at, run_invoice
from services.billing.store import sql
from services.billing.usage import count_parked
from services.chassis.backoff import Backoff
from services.chassis.jobs import Job, JobHandler, JobKind, RetryLater, handle
from services.chassis.unit import Args, Unit

CATALOGUE_WAIT_SECONDS = 0.2


class CountService(Args):
    """Begin to count a service."""

    service_id: str
    tenant_id: str
    sku: str
    item: int
    effective_at: datetime


class InvoiceRun(Args):
    """Invoice a tenant at a boundary."""

    tenant_id: str
    boundary: date


count_service = JobKind("count_service", CountService, attempts=None, backoff=Backoff(0.2, max_seconds=30))
invoice_run = JobKind("invoice_run", InvoiceRun, attempts=None, backoff=Backoff(5, max_seconds=600))


async def run_count_service(job: Job[CountService], grace_hours: int) -> None:
    """Freeze the plan as sold, count what was parked, and plan the first invoice of a new tenant."""
    args = job.args
    async with job.finish() as unit:
        plan = await sql.plan(unit.db, sku=args.sku)
        if plan is None:
            raise RetryLater(CATALOGUE_WAIT_SECONDS, "the catalogue is not here yet")
        tenant = await sql.lock_tenant(unit.db, id=args.tenant_id)
        await sql.add_service(
            unit.db, id=args.service_id, tenant_id=args.tenant_id, sku=args.sku, item=args.item,
            activated_at=args.effective_at, plan=plan["plan"],
        )  # fmt: skip
        await count_parked(unit.db, args.service_id, unit.now)
        if await sql.is_first_service(unit.db, tenant_id=args.tenant_id):
            zone = ZoneInfo(tenant["zone"])
            _plan_run(unit, args.tenant_id, civil_day(args.effective_at, zone), zone, grace_hours)


def _plan_run(unit: Unit, tenant_id: str, boundary: date, zone: ZoneInfo, grace_hours: int) -> None:
    at = max(unit.now, due_at(boundary, zone, grace_hours))
    unit.enqueue(invoice_run, InvoiceRun(tenant_id=tenant_id, boundary=boundary), at=at, key=tenant_id)


async def run_invoice_run(job: Job[InvoiceRun], grace_hours: int) -> None:
    """Issue the invoice and plan the next one."""
    args = job.args
    async with job.finish() as unit:
        await run_invoice(args.tenant_id, args.boundary, unit)
        tenant = await sql.lock_tenant(unit.db, id=args.tenant_id)
        _plan_run(unit, args.tenant_id, next_boundary(args.boundary), ZoneInfo(tenant["zone"]), grace_hours)


def jobs(grace_hours: int) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(count_service, partial(run_count_service, grace_hours=grace_hours)),
        handle(invoice_run, partial(run_invoice_run, grace_hours=grace_hours)),
    )
