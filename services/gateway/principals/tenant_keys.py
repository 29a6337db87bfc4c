"""Tenants' keys: made when something is first known of a person at a tenant, destroyed when that person is erased.

Whoever seals holds the row of the key for its transaction, and erasing removes it. So what is sealed is either erased with
the key, or sealed under a key made after the erasure; nothing in between is kept that nobody can open.
"""

from collections.abc import Collection, Iterable
from typing import Any

import asyncpg

from services.chassis.database import Connection
from services.chassis.logs import logger
from services.chassis.sealing import SealBroken
from services.chassis.store import collect
from services.gateway.domain.model import NamedTenant
from services.gateway.principals import sealed
from services.gateway.principals.contacts import Contacts, Persons, key_named
from services.gateway.store import sql

TRIES = 3
"""How often a key may be erased between being made and being held."""

ADOPTED_AT_ONCE = 500

log = logger(__name__)


class KeysErased(ConnectionError):
    """Keys were erased over and over while they were asked for: to be tried again later."""


async def held(db: Connection, contacts: Contacts, tenants: Collection[str]) -> dict[str, Persons]:
    """Who seals for some tenants, their keys held until the transaction ends; keys are made where there are none."""
    for _ in range(TRIES if tenants else 0):
        found = _persons(contacts, await collect(sql.hold_tenant_keys(db, ids=sorted(tenants))))
        missing = sorted(set(tenants) - found.keys())
        if not missing:
            return found
        made = [contacts.new_key(sealed.tenant_key(tenant)) for tenant in missing]
        await sql.add_tenant_keys(
            db,
            ids=missing,
            key_ids=[name for name, _ in made],
            sealed_keys=[key for _, key in made],
        )
    if tenants:
        raise KeysErased("keys of tenants were erased meanwhile")
    return {}


async def known(db: Connection, contacts: Contacts, tenants: Iterable[str]) -> dict[str, Persons]:
    """Who opens for those of some tenants that have a key."""
    return _persons(contacts, await collect(sql.tenant_keys(db, ids=sorted(set(tenants)))))


def _persons(contacts: Contacts, found: Iterable[asyncpg.Record]) -> dict[str, Persons]:
    return {
        row["tenant_id"]: contacts.persons(row["sealed_key"], sealed.tenant_key(row["tenant_id"])) for row in found
    }  # fmt: skip


async def contact_of(
    db: Connection, contacts: Contacts, tenant: NamedTenant
) -> dict[str, Any] | None:
    """The person to call at a tenant; None when none is known, or was erased. Raises `SealBroken`."""
    contact, place = tenant.contact, sealed.tenant_contact(tenant.id)
    if contact is None:
        return None
    persons = (await known(db, contacts, [tenant.id])).get(tenant.id)
    if persons is not None and key_named(contact) == persons.key_id:
        return persons.open(contact, place)
    return contacts.open(contact, place)  # an earlier build kept it


async def erase(db: Connection, tenant_id: str) -> bool:
    """Destroy a tenant's key and the contact stored here; False when there is no such tenant. In a transaction."""
    await sql.forget_tenant_key(db, tenant_id=tenant_id)
    return await sql.erase_contact(db, id=tenant_id) is not None


async def adopt(db: Connection, contacts: Contacts) -> int:
    """Seal contacts that earlier builds kept under the master key under their tenants' own keys; returns how many."""
    adopted = 0
    for row in await collect(sql.contacts_of_before(db, limit=ADOPTED_AT_ONCE)):
        try:
            async with db.transaction():
                adopted += await _adopt_one(db, contacts, row["id"])
        except SealBroken:
            # Without its master key nobody reads it, here or elsewhere; the others must not wait for it.
            log.warning("a contact cannot be opened under any master key", tenant_id=row["id"])
    return adopted


async def _adopt_one(db: Connection, contacts: Contacts, tenant_id: str) -> bool:
    persons = (await held(db, contacts, [tenant_id]))[tenant_id]
    contact = (await sql.lock_sealed_tenant(db, id=tenant_id))["contact"]
    if contact is None or key_named(contact) == persons.key_id:
        return False
    place = sealed.tenant_contact(tenant_id)
    await sql.put_sealed_tenant(
        db, id=tenant_id, contact=persons.seal(contacts.open(contact, place) or {}, place)
    )
    return True
