"""Resellers as the operator registered them."""

from schemas.catalogue import ResellerRegistered
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """A reseller."""
    data = event.data
    await sql.put_reseller(
        unit.db, id=data.reseller_id, revision=data.revision, profile=data.model_dump(mode="json")
    )
