"""Note who is invoiced, and which reseller serves them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from schemas.tenants import TaxProfile, TaxProfileChanged, TenantAssigned, TenantRegistered
from services.billing import store
from services.billing.domain.periods import civil_day
from services.billing.store import sql
from services.chassis.unit import Unit


async def register_tenant(tenant_id: str, data: TenantRegistered, unit: Unit) -> None:
    """Save a tenant's zone, currency and details, and how it is taxed from its first day on."""
    told = await store.tax_profiles(unit.db, tenant_id, unit.now)
    await sql.describe_tenant(
        unit.db, id=tenant_id, external_id=data.external_id, zone=data.timezone, currency=data.currency,
        details=data.model_dump(mode="json"),
    )  # fmt: skip
    today = civil_day(unit.now, ZoneInfo(data.timezone))
    if not told:  # read again, it is no change: a change is a fact of its own
        await _tax(tenant_id, data.tax_profile, today, unit)


async def change_tax_profile(tenant_id: str, data: TaxProfileChanged, unit: Unit) -> None:
    """Save how a tenant's documents are taxed from a day on. Those that are issued stay as they are."""
    await _tax(tenant_id, data.tax_profile, data.since, unit)


async def _tax(tenant_id: str, profile: TaxProfile, since: date, unit: Unit) -> None:
    await sql.add_tax_profile(
        unit.db, tenant_id=tenant_id, since=since, profile=profile, stored_at=unit.now
    )


async def assign_tenant(tenant_id: str, data: TenantAssigned, at: datetime, unit: Unit) -> None:
    """Save which reseller serves a tenant, from an instant on if not said otherwise."""
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await sql.set_reseller(unit.db, id=tenant_id, reseller_id=data.reseller_id)
    tenant = await store.tenant(unit.db, tenant_id)
    assert tenant is not None
    since = civil_day(data.effective_at or at, tenant.zone)
    await sql.add_assignment(
        unit.db, tenant_id=tenant_id, reseller_id=data.reseller_id, since=since, stored_at=unit.now
    )
