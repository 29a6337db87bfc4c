"""Timers and waits: services to be counted, invoice runs of each tenant and boundary, the check of all buckets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from asyncpg import Record

from services.billing.domain.periods import civil_day, next_boundary
from services.billing.metering.checks import Outcome, verify
from services.billing.metering.days import drop_before
from services.billing.metering.intake import CATALOGUE, Intake
from services.billing.metering.store import sql as metering
from services.billing.runs import due_at, run_invoice
from services.billing.store import sql
from services.chassis.backoff import Backoff
from services.chassis.database import Connection
from services.chassis.jobs import Job, JobHandler, JobKind, RetryLater, handle
from services.chassis.logs import logger
from services.chassis.store import rows
from services.chassis.unit import Args, Unit

CATALOGUE_WAIT_SECONDS = 0.2
CHECK_EVERY = timedelta(hours=6)
CHECK_DAYS = 2
"""Civil days that are checked each time: today and yesterday, where nearly all usage arrives."""

TENANTS_AT_ONCE = 200
"""Tenants whose buckets are in memory together: some 30 kB each, more with many meters."""

log = logger(__name__)


class CountService(Args):
    """Begin to count a service."""

    service_id: str
    tenant_id: str
    sku: str
    item: int
    effective_at: datetime


class CountWaiting(Args):
    """Count what waited for the catalogue."""


class InvoiceRun(Args):
    """Invoice a tenant at a boundary."""

    tenant_id: str
    boundary: date


class CheckMeters(Args):
    """Compare buckets with their raw events, some tenants at a time, and let old days go when all have been looked at."""

    day: date | None = None
    """The day that the check began; None: it has not begun."""
    beyond: str = ""
    """The last tenant that was looked at."""
    buckets: int = 0
    differences: int = 0


count_service = JobKind("count_service", CountService, attempts=None, backoff=Backoff(0.2, max_seconds=30))
count_waiting = JobKind("count_waiting", CountWaiting, attempts=None, backoff=Backoff(0.2, max_seconds=30))
invoice_run = JobKind("invoice_run", InvoiceRun, attempts=None, backoff=Backoff(5, max_seconds=600))
check_meters = JobKind(
    "check_meters", CheckMeters, attempts=None, backoff=Backoff(60, max_seconds=3600), lease_seconds=1800, concurrency=1
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the jobs of billing need beside their arguments."""

    intake: Intake
    grace_hours: int
    raw_days: int

    async def count_service(self, job: Job[CountService]) -> None:
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
            await self.intake.count_parked(unit.db, args.service_id, unit.now)
            if await sql.is_first_service(unit.db, tenant_id=args.tenant_id):
                zone = ZoneInfo(tenant["zone"])
                self._plan_run(unit, args.tenant_id, civil_day(args.effective_at, zone), zone)

    async def count_waiting(self, job: Job[CountWaiting]) -> None:
        """Count what waited for the catalogue."""
        async with job.finish() as unit:
            await self.intake.count_parked(unit.db, CATALOGUE, unit.now)

    def _plan_run(self, unit: Unit, tenant_id: str, boundary: date, zone: ZoneInfo) -> None:
        at = max(unit.now, due_at(boundary, zone, self.grace_hours))
        unit.enqueue(invoice_run, InvoiceRun(tenant_id=tenant_id, boundary=boundary), at=at, key=tenant_id)

    async def invoice_run(self, job: Job[InvoiceRun]) -> None:
        """Issue the invoice and plan the next one."""
        args = job.args
        async with job.finish() as unit:
            await run_invoice(args.tenant_id, args.boundary, unit)
            tenant = await sql.lock_tenant(unit.db, id=args.tenant_id)
            self._plan_run(unit, args.tenant_id, next_boundary(args.boundary), ZoneInfo(tenant["zone"]))

    async def check_meters(self, job: Job[CheckMeters]) -> None:
        """Compare the last days' buckets of some tenants with their raw events; after the last, drop old days."""
        day = job.args.day or job.now.date()
        async with job.read() as db:
            tenants = await rows(sql.tenants_beyond(db, id=job.args.beyond, limit=TENANTS_AT_ONCE))
            outcome = await self._checked(db, tenants, day)
        buckets = job.args.buckets + outcome.buckets
        differences = job.args.differences + len(outcome.differences)
        async with job.finish() as unit:
            if len(tenants) == TENANTS_AT_ONCE:
                rest = CheckMeters(day=day, beyond=tenants[-1]["id"], buckets=buckets, differences=differences)
                unit.enqueue(check_meters, rest, key="check")
                return
            await metering.add_check(
                unit.db, checked_at=unit.now, from_day=_since(day), to_day=day + timedelta(1), buckets=buckets,
                differences=differences,
            )  # fmt: skip
            await drop_before(unit.db, day - timedelta(self.raw_days))
            unit.enqueue(check_meters, CheckMeters(), at=unit.now + CHECK_EVERY, key="check")

    async def _checked(self, db: Connection, tenants: Sequence[Record], day: date) -> Outcome:
        if not tenants:
            return Outcome(0, [])
        outcome = await verify(db, tenants, _since(day), day + timedelta(1))
        for difference in outcome.differences:
            log.error("a bucket differs from its events", **_plain(difference))
        return outcome


def _since(day: date) -> date:
    return day - timedelta(CHECK_DAYS - 1)


def _plain(difference: object) -> dict[str, str]:
    return {name: str(getattr(difference, name)) for name in ("tenant_id", "meter", "starts", "stored", "recomputed")}


def jobs(desk: Desk) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(count_service, desk.count_service),
        handle(count_waiting, desk.count_waiting),
        handle(invoice_run, desk.invoice_run),
        handle(check_meters, desk.check_meters),
    )
