"""Give a reseller another key or another signing secret, and end a key."""

from uuid import uuid4

from services.chassis.store import collect
from services.chassis.web import Problem
from services.gateway.domain.admission import PrincipalKind
from services.gateway.domain.keys import (
    LIVE_KEYS_MAX,
    PAST_SECRETS_MAX,
    SECRET_OVERLAP,
    new_webhook_secret,
)
from services.gateway.principals import sealed
from services.gateway.store import sql
from services.gateway.usecases.registry import Registry, issue_key


async def add_key(registry: Registry, reseller_id: str) -> str:
    """A further key of a reseller, at most two live. Raises `Problem` 404, 409."""
    async with registry.runtime.unit(f"key|{uuid4()}") as unit:
        if await sql.lock_reseller(unit.db, id=reseller_id) is None:
            raise Problem(404, "Not Found", "no such reseller")
        if await sql.live_keys(unit.db, principal=reseller_id) >= LIVE_KEYS_MAX:
            raise Problem(409, "Conflict", f"{LIVE_KEYS_MAX} keys are live: revoke one first")
        return await issue_key(unit.db, PrincipalKind.RESELLER, reseller_id)


async def revoke_key(registry: Registry, key_id: str) -> None:
    """End a key. Raises `Problem` 404."""
    async with registry.runtime.pool.acquire() as db:
        if await sql.revoke_key(db, key_id=key_id) is None:
            raise Problem(404, "Not Found", "no such live key")
    registry.knowledge.forget()


async def rotate_secret(registry: Registry, reseller_id: str) -> str:
    """A new signing secret; each one before signs along for its day. Raises `Problem` 404, 409 for too many in a day."""
    secret = new_webhook_secret()
    async with registry.runtime.unit(f"secret|{uuid4()}") as unit:
        if await sql.lock_reseller(unit.db, id=reseller_id) is None:
            raise Problem(404, "Not Found", "no such reseller")
        await sql.end_past_secrets(unit.db, id=reseller_id, now=unit.now)
        past = await collect(sql.past_secrets(unit.db, id=reseller_id, now=unit.now))
        if len(past) >= PAST_SECRETS_MAX:
            detail = f"{PAST_SECRETS_MAX} secrets of the last 24 hours still sign along: wait until one has ended"
            raise Problem(409, "Conflict", detail)
        kept = registry.webhooks.seal_secret(secret, sealed.webhook_secret(reseller_id))
        await sql.keep_past_secret(unit.db, id=reseller_id, ends_at=unit.now + SECRET_OVERLAP)
        await sql.put_webhook_secret(unit.db, id=reseller_id, webhook_secret=kept)
    return secret
