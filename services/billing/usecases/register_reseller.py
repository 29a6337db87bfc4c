"""Note a reseller. Resellers are numbered with the catalogue: what waited for that revision is counted."""

from schemas.catalogue import ResellerRegistered
from services.billing.store import sql
from services.billing.usecases.publish_catalogue import see_revision
from services.chassis.unit import Unit


async def register_reseller(data: ResellerRegistered, unit: Unit) -> None:
    """Save a reseller's id and the revision it came with."""
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await see_revision(data.revision, unit)
