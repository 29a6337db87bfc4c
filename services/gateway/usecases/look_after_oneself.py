"""What a reseller does by itself: its keys, its signing secret, the address of its webhooks, a test, and sending again."""

from typing import Any
from uuid import uuid4

from schemas.deliveries import Channel, WebhookTested
from services.chassis import store as chassis
from services.chassis.store import collect
from services.chassis.unit import Unit
from services.chassis.web import Problem
from services.gateway.domain.addresses import AddressRefused
from services.gateway.job_kinds import deliver_webhook, limit_of
from services.gateway.store import sql
from services.gateway.usecases.notify import ask_for_delivery, notify_reseller
from services.gateway.usecases.registry import Registry


async def show_keys(registry: Registry, reseller_id: str) -> list[dict[str, Any]]:
    """The live keys of a reseller, by the names that they begin with."""
    async with registry.runtime.pool.acquire() as db:
        return [dict(row) for row in await collect(sql.keys_of(db, principal=reseller_id))]


async def end_key(registry: Registry, reseller_id: str, key_id: str) -> None:
    """End one of a reseller's keys. Raises `Problem` 404, and 409 for the last one: nobody could ask for another."""
    async with registry.runtime.unit(f"key|{uuid4()}") as unit:
        await sql.lock_reseller(unit.db, id=reseller_id)
        live = {row["key_id"] for row in await collect(sql.keys_of(unit.db, principal=reseller_id))}
        if key_id not in live:
            raise Problem(404, "Not Found", "no such live key of yours")
        if len(live) == 1:
            raise Problem(409, "Conflict", "this is your last key: make another one first")
        await sql.revoke_key(unit.db, key_id=key_id)
    registry.knowledge.forget()


async def change_address(registry: Registry, reseller_id: str, url: str) -> int:
    """Send webhooks elsewhere; what waits is tried at once. Returns how many wait.

    An address that was closed by a 410 is open again. Raises `Problem` 422 for an address where no webhook may go.
    """
    try:
        registry.webhooks.check(url)
    except AddressRefused as error:
        raise Problem(422, "Unprocessable Content", str(error)) from None
    async with registry.runtime.unit(f"address|{uuid4()}") as unit:
        await sql.put_webhook_url(unit.db, id=reseller_id, webhook_url=url)
        return await try_waiting(reseller_id, unit)


async def try_waiting(reseller_id: str, unit: Unit) -> int:
    """Try deliveries at once that wait for a receiver to come back; returns how many."""
    return await chassis.make_due(
        unit.db, deliver_webhook.name, limit_of(reseller_id).name, unit.now
    )


async def send_test(registry: Registry, reseller_id: str) -> str:
    """Send a reseller a notification that means nothing; returns its id, under which the delivery log has it."""
    async with registry.runtime.unit(f"test|{uuid4()}") as unit:
        event = unit.publish(WebhookTested(reseller_id=reseller_id), subject=reseller_id)
        found = await notify_reseller(event, reseller_id, unit)
        assert found is not None, "its id is new"
        return found


async def redeliver_own(registry: Registry, reseller_id: str, notification_id: str) -> None:
    """Send a reseller one of its notifications again, with all attempts. Raises `Problem` 404."""
    async with registry.runtime.unit(f"redeliver|{uuid4()}") as unit:
        if await sql.recipient_of(unit.db, id=notification_id) != reseller_id:
            raise Problem(404, "Not Found", "no such notification to you")
        found = await sql.reopen_notification(unit.db, id=notification_id)
        ask_for_delivery(notification_id, Channel(found["channel"]), reseller_id, unit)
