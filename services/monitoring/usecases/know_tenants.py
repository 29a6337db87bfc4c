"""Keep who serves whom, which services there are, and how often they report themselves."""

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.tenants import ServiceActivated, TenantAssigned
from services.chassis.unit import Unit
from services.monitoring.store import sql


async def know_reseller_of(tenant_id: str, data: TenantAssigned, unit: Unit) -> None:
    """Alerts of the tenant go to this reseller from now on."""
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await sql.set_reseller(
        unit.db, id=tenant_id, reseller_id=data.reseller_id, distance_km=data.distance_km
    )


async def know_service(tenant_id: str, data: ServiceActivated, unit: Unit) -> None:
    """A service that may get into trouble."""
    await sql.add_service(unit.db, id=data.service_id, tenant_id=tenant_id, sku=data.sku)


async def know_intervals(data: CataloguePublished, unit: Unit) -> None:
    """How often the services of each plan report themselves."""
    for plan in data.plans:
        await sql.put_plan(
            unit.db, sku=plan.sku, revision=data.revision, heartbeat_seconds=plan.heartbeat_seconds
        )


async def know_reseller(data: ResellerRegistered, unit: Unit) -> None:
    """Whose calendar counts."""
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await sql.put_reseller(unit.db, id=data.reseller_id, provincia=data.place.provincia)
