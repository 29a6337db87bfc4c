"""Send a notification again."""

from uuid import uuid4

from schemas.deliveries import Channel
from services.chassis.web import Problem
from services.gateway.store import sql
from services.gateway.usecases.notify import ask_for_delivery
from services.gateway.usecases.registry import Registry


async def redeliver(registry: Registry, notification_id: str) -> None:
    """Send a notification again, with all its attempts. Raises `Problem` 404."""
    async with registry.runtime.unit(f"redeliver|{uuid4()}") as unit:
        found = await sql.reopen_notification(unit.db, id=notification_id)
        if found is None:
            raise Problem(404, "Not Found", "no such notification")
        ask_for_delivery(notification_id, Channel(found["channel"]), found["recipient"], unit)
