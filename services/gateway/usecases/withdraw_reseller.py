"""Withdraw a reseller that serves nobody any more: it gets no new tenant and sends nothing. It still hears what it is owed."""

from uuid import uuid4

from schemas.catalogue import ResellerRegistered
from schemas.reasons import Reason
from services.chassis.web import Problem, refused
from services.gateway.store import sql
from services.gateway.usecases.registry import CATALOGUE_SUBJECT, Registry


async def withdraw_reseller(registry: Registry, reseller_id: str) -> None:
    """End its keys, and publish that it takes no tenant. Registered again, it is as it was, with a new key.

    Raises `Problem` 404, and 409 (`already_assigned`) while it serves a tenant.
    """
    async with registry.runtime.unit(f"withdraw|{uuid4()}") as unit:
        revision = int(await sql.next_revision(unit.db))
        serving = int(await sql.count_served(unit.db, reseller_id=reseller_id, now=unit.now))
        if serving:
            said = f"it still serves tenants ({serving}): move them first (`vicino tenants move`)"
            raise refused("", Reason.ALREADY_ASSIGNED, said)
        profile = await sql.withdraw_reseller(unit.db, id=reseller_id, revision=revision)
        if profile is None:
            raise Problem(404, "Not Found", "no such reseller")
        await sql.revoke_keys(unit.db, principal=reseller_id)
        known = {
            name: value
            for name, value in profile.items()
            if name in ResellerRegistered.model_fields
        }
        unit.publish(
            ResellerRegistered(**known | {"reseller_id": reseller_id, "revision": revision}),
            subject=CATALOGUE_SUBJECT,
        )
    registry.knowledge.forget()
