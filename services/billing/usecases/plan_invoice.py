"""Plan an invoice: a tenant is invoiced some hours after each boundary."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.billing import store
from services.billing.domain.periods import midnight, next_boundary
from services.billing.job_kinds import InvoiceRun, invoice_run
from services.chassis.unit import Unit


def due_at(boundary: date, zone: ZoneInfo, grace_hours: int) -> datetime:
    """When a run is finalised."""
    return midnight(boundary, zone) + timedelta(hours=grace_hours)


def plan_invoice(
    tenant_id: str, boundary: date, zone: ZoneInfo, grace_hours: int, unit: Unit
) -> None:
    """Plan the invoice of a boundary; if the boundary has long passed, at once."""
    at = max(unit.now, due_at(boundary, zone, grace_hours))
    key = f"{tenant_id}|{boundary}"  # services that share a boundary share its run
    unit.enqueue(invoice_run, InvoiceRun(tenant_id=tenant_id, boundary=boundary), at=at, key=key)


async def plan_next_invoice(tenant_id: str, boundary: date, grace_hours: int, unit: Unit) -> None:
    """Plan the invoice of the boundary after this one."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    plan_invoice(tenant_id, next_boundary(boundary), tenant.zone, grace_hours, unit)
