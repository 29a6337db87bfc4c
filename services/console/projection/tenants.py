"""Who is served, by whom, and who waits for a person."""

from schemas.envelope import Event
from schemas.tenants import AssignmentNeeded, TenantActivated, TenantAssigned, TenantRegistered
from services.chassis.unit import Unit
from services.console.store import sql


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """A tenant's names."""
    data = event.data
    await sql.describe_tenant(
        unit.db,
        id=event.subject,
        external_id=data.external_id,
        name=data.name,
        details=data.model_dump(mode="json"),
    )


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Who serves it, and why."""
    data = event.data
    await sql.assign_tenant(
        unit.db, id=event.subject, reseller_id=data.reseller_id, distance_km=data.distance_km, score=data.score,
        assigned_by=data.by, ranking=[row.model_dump(mode="json") for row in data.ranking],
    )  # fmt: skip


async def assignment_needed(event: Event[AssignmentNeeded], unit: Unit) -> None:
    """It waits for a person."""
    ranking = [row.model_dump(mode="json") for row in event.data.nearest]
    await sql.tenant_waits(unit.db, id=event.subject, ranking=ranking)


async def tenant_activated(event: Event[TenantActivated], unit: Unit) -> None:
    """It is served."""
    await sql.tenant_active(unit.db, id=event.subject)
