"""Take over what is on sale, and the resellers there are, from the catalogue stream."""

from schemas.catalogue import CataloguePublished, ResellerProfile, ResellerRegistered
from services.chassis.unit import Unit
from services.onboarding.store import sql


async def publish_catalogue(catalogue: CataloguePublished, unit: Unit) -> None:
    """Its plans are in force from now on, and no others."""
    for plan in catalogue.plans:
        await sql.put_plan(
            unit.db, sku=plan.sku, revision=catalogue.revision, plan=plan.model_dump(mode="json")
        )
    await sql.withdraw_plans(unit.db, revision=catalogue.revision)
    await sql.note_revision(unit.db, revision=catalogue.revision)


async def register_reseller(registered: ResellerRegistered, unit: Unit) -> None:
    """Keep a reseller's profile and capacity; the tenants it serves stay counted."""
    profile = ResellerProfile.model_validate(registered.model_dump(exclude={"revision"}))
    await sql.put_reseller(
        unit.db, id=profile.reseller_id, profile=profile.model_dump(mode="json"), capacity=profile.capacity,
        active_elsewhere=profile.active, revision=registered.revision,
    )  # fmt: skip
    await sql.note_revision(unit.db, revision=registered.revision)
