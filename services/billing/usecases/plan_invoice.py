"""Plan an invoice: a tenant is invoiced some hours after each boundary."""

from datetime import date, datetime

from services.billing import store
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import next_boundary
from services.billing.domain.runs import due_at
from services.billing.job_kinds import InvoiceRun, invoice_run
from services.billing.store import sql
from services.chassis.unit import Unit


def job_key(tenant_id: str, boundary: date) -> str:
    """The key of the job that makes a run: services that share a boundary share its run."""
    return f"{tenant_id}|{boundary}"


async def plan_run(
    tenant: BilledTenant, boundary: date, grace_hours: int, since: datetime, unit: Unit
) -> None:
    """Note a run, with the instant up to which what is stored counts: when it is due, but not before `since`."""
    as_of = max(since, due_at(boundary, tenant.zone, grace_hours))
    await sql.plan_run(unit.db, tenant_id=tenant.id, boundary=boundary, as_of=as_of)


async def plan_invoice(
    tenant: BilledTenant, boundary: date, grace_hours: int, since: datetime, unit: Unit
) -> None:
    """Plan the invoice of a boundary; if the boundary has long passed, at once. The tenant is held."""
    await plan_run(tenant, boundary, grace_hours, since, unit)
    unit.enqueue(
        invoice_run, InvoiceRun(tenant_id=tenant.id, boundary=boundary),
        at=max(unit.now, due_at(boundary, tenant.zone, grace_hours)), key=job_key(tenant.id, boundary),
    )  # fmt: skip


async def plan_next_invoice(
    tenant_id: str, boundary: date, grace_hours: int, as_of: datetime, unit: Unit
) -> None:
    """Plan the invoice of the boundary after this one, whose run counted what was stored up to `as_of`."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    await plan_invoice(tenant, next_boundary(boundary), grace_hours, as_of, unit)
