"""Mail a new link to the person at a firm, whoever asks for it: it goes to nobody else."""

from datetime import timedelta
from uuid import NAMESPACE_OID, uuid5

from schemas.deliveries import Channel
from schemas.identity import OWNER, joined
from services.chassis.service import Runtime
from services.gateway import store
from services.gateway.store import sql
from services.gateway.usecases.notify import ask_for_delivery

ABOUT = "vicino.owner.link_requested.v1"
AT_MOST_EVERY = timedelta(minutes=10)
"""One mail to a firm in this time, however often somebody asks."""

DAY, MOST_A_DAY = timedelta(days=1), 5
"""Anybody may ask: nobody shall fill a mailbox with it."""


async def send_owner_link(runtime: Runtime, tenant_id: str) -> bool:
    """Ask for the mail; False when there is no such tenant, or nobody is known there."""
    slot = int(runtime.clock.now().timestamp() // AT_MOST_EVERY.total_seconds())
    name = joined("vicino", "owner link", tenant_id, str(slot))
    async with runtime.unit(name) as unit:
        tenant = await store.tenant(unit.db, tenant_id)
        if tenant is None or tenant.external_id is None or tenant.contact is None:
            return False
        since = unit.now - DAY
        if (
            await sql.mails_to(unit.db, recipient=OWNER, tenant_id=tenant_id, since=since)
            >= MOST_A_DAY
        ):
            return True
        notification_id = str(uuid5(NAMESPACE_OID, name))
        added = await sql.add_notification(
            unit.db, id=notification_id, recipient=OWNER, channel=Channel.EMAIL, about=ABOUT, tenant_id=tenant_id,
            alert_id=None, event={"time": unit.now, "id": notification_id, "data": {}}, created_at=unit.now,
        )  # fmt: skip
        if added is not None:
            ask_for_delivery(notification_id, Channel.EMAIL, OWNER, unit)
    return True
