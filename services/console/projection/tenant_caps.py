"""Caps on a tenant's whole month, and how much of them is reported as spent."""

from schemas.billing import TenantCapForeseen, TenantCapReached, TenantCapSet
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def tenant_cap_set(event: Event[TenantCapSet], unit: Unit) -> None:
    """A cap is set, changed or lifted."""
    data = event.data
    if data.amount is None:
        await sql.lift_tenant_cap(unit.db, tenant_id=event.subject, currency=data.currency)
        return
    await sql.put_tenant_cap(
        unit.db, tenant_id=event.subject, currency=data.currency, amount=data.amount, hard=data.hard, since=data.since
    )  # fmt: skip


async def tenant_cap_reached(event: Event[TenantCapReached], unit: Unit) -> None:
    """A share of it is spent."""
    data = event.data
    await sql.note_tenant_spent(
        unit.db, tenant_id=event.subject, currency=data.currency, month=data.month, percent=data.percent, spent=data.spent
    )  # fmt: skip


async def tenant_cap_foreseen(event: Event[TenantCapForeseen], unit: Unit) -> None:
    """At this pace it will be passed."""
    data = event.data
    await sql.note_tenant_forecast(
        unit.db, tenant_id=event.subject, currency=data.currency, month=data.month, spent=data.spent,
        forecast=data.forecast,
    )  # fmt: skip
