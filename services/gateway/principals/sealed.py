"""What the gateway keeps sealed: the rows, the names they are sealed for, and sealing all of it under a new key."""

from dataclasses import dataclass

from services.chassis.database import Connection
from services.chassis.sealing import KeyRing, Sealer
from services.chassis.store import collect
from services.gateway.adapters import webhook
from services.gateway.principals import contacts
from services.gateway.store import sql


def tenant_contact(tenant_id: str) -> str:
    """The person at a tenant."""
    return f"tenant.contact/{tenant_id}"


def tenant_key(tenant_id: str) -> str:
    """The key under which persons at a tenant are sealed."""
    return f"tenant_key.sealed_key/{tenant_id}"


def reseller_contact(reseller_id: str) -> str:
    """A reseller's technician."""
    return f"reseller.contact/{reseller_id}"


def webhook_secret(reseller_id: str) -> str:
    """A reseller's signing secret; one that is replaced moves to the table of those before as it is."""
    return f"reseller.webhook_secret/{reseller_id}"


@dataclass
class Rotated:
    """What a rotation did."""

    sealed_again: int = 0
    were_current: int = 0


async def rotate(db: Connection, keys: KeyRing) -> Rotated:
    """Seal everything under the current key, a row in a transaction; what is, is left. May run, and be cut off, at any time.

    Raises `SealBroken` for a row that no key opens.
    """
    persons, secrets, done = (
        Sealer(keys, contacts.PURPOSE),
        Sealer(keys, webhook.PURPOSE),
        Rotated(),
    )
    tenants = Sealer(keys, contacts.KEYS_PURPOSE)

    def again(sealer: Sealer, sealed: bytes | None, row: str) -> bytes | None:
        if sealed is None:
            return None
        if sealer.is_current(sealed):
            done.were_current += 1
            return sealed
        done.sealed_again += 1
        return sealer.again(sealed, row)

    for one in await collect(sql.tenants_with_key(db)):
        async with db.transaction():
            kept = await sql.lock_tenant_key(db, tenant_id=one["tenant_id"])
            sealed_key = again(tenants, kept, tenant_key(one["tenant_id"]))
            await sql.put_tenant_key(db, tenant_id=one["tenant_id"], sealed_key=sealed_key)
    for one in await collect(sql.tenants_with_contact(db)):
        async with db.transaction():
            tenant = await sql.lock_sealed_tenant(db, id=one["id"])
            own = await sql.tenant_key_id(db, tenant_id=one["id"])
            if tenant["contact"] is None or contacts.key_named(tenant["contact"]) == own:
                continue  # erased, or sealed under the tenant's own key, which was just sealed again
            contact = again(persons, tenant["contact"], tenant_contact(one["id"]))
            await sql.put_sealed_tenant(db, id=one["id"], contact=contact)
    for one in await collect(sql.reseller_ids(db)):
        async with db.transaction():
            reseller = await sql.lock_sealed_reseller(db, id=one["id"])
            secret = webhook_secret(one["id"])
            await sql.put_sealed_reseller(
                db, id=one["id"], contact=again(persons, reseller["contact"], reseller_contact(one["id"])),
                webhook_secret=again(secrets, reseller["webhook_secret"], secret),
            )  # fmt: skip
            for past in await collect(sql.sealed_past_secrets(db, reseller_id=one["id"])):
                sealed_again = again(secrets, past["secret"], secret)
                await sql.put_sealed_past_secret(
                    db, reseller_id=one["id"], secret=past["secret"], sealed_again=sealed_again
                )
    return done
