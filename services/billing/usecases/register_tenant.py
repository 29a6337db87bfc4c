"""Note who is invoiced, and which reseller serves them."""

from schemas.tenants import TenantAssigned, TenantRegistered
from services.billing.store import sql
from services.chassis.unit import Unit


async def register_tenant(tenant_id: str, data: TenantRegistered, unit: Unit) -> None:
    """Save a tenant's zone, currency and details."""
    await sql.describe_tenant(
        unit.db, id=tenant_id, external_id=data.external_id, zone=data.timezone, currency=data.currency,
        details=data.model_dump(mode="json"),
    )  # fmt: skip


async def assign_tenant(tenant_id: str, data: TenantAssigned, unit: Unit) -> None:
    """Save which reseller serves a tenant."""
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await sql.set_reseller(unit.db, id=tenant_id, reseller_id=data.reseller_id)
