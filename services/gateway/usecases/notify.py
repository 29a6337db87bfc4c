"""Write a notification about a fact, and ask for its delivery."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from schemas.deliveries import Channel
from schemas.envelope import Event
from schemas.identity import OPERATOR, OWNER, event_name, joined
from services.chassis.unit import Unit
from services.gateway.domain.channels import NotifyBy
from services.gateway.job_kinds import Notify, deliver_webhook, limit_of, send_email
from services.gateway.store import sql


async def notify_reseller(
    event: Event[Any], reseller_id: str | None, unit: Unit, alert_id: str | None = None
) -> str | None:
    """Notify a reseller of a fact, in each way that it wants; returns the id of the first notification that is new.

    Nobody is notified of what concerns a tenant without a reseller: such an alert escalates to the operator at once.
    """
    if reseller_id is None:
        return None
    wanted = NotifyBy(await sql.notify_by(unit.db, id=reseller_id) or NotifyBy.WEBHOOK)
    found = [
        await notify(event, reseller_id, channel, unit, alert_id) for channel in wanted.channels
    ]
    return next((one for one in found if one is not None), None)


async def write_to_owner(event: Event[Any], unit: Unit) -> None:
    """Send the owner of a firm a mail that opens its page."""
    await notify(event, OWNER, Channel.EMAIL, unit)


async def notify(
    event: Event[Any],
    recipient: str,
    channel: Channel,
    unit: Unit,
    alert_id: str | None = None,
) -> str | None:
    """Notify a recipient of a fact, once: the id is the same for the same fact, recipient and channel.

    Returns the id of the notification, if it is a new one.
    """
    fact = event_name(event.subject, event.source, event.id, event.principal)
    is_beside = channel is Channel.EMAIL and recipient != OPERATOR
    name = joined("vicino", "notification", fact, recipient, *([channel] if is_beside else []))
    notification_id = str(uuid5(NAMESPACE_OID, name))
    before = str(uuid5(NAMESPACE_OID, f"vicino|notification|{event.source}|{event.id}|{recipient}"))
    if await sql.notification_before(unit.db, id=before, tenant_id=event.subject) is not None:
        return None  # an earlier build, whose ids had no tenant in them, has sent it
    added = await sql.add_notification(
        unit.db, id=notification_id, recipient=recipient, channel=channel, about=event.type, tenant_id=event.subject,
        alert_id=alert_id, event={"time": event.time, "id": event.id, "data": event.data.model_dump(mode="json")},
        created_at=unit.now,
    )  # fmt: skip
    if added is None:
        return None
    ask_for_delivery(notification_id, channel, recipient, unit)
    return notification_id


def ask_for_delivery(notification_id: str, channel: Channel, recipient: str, unit: Unit) -> None:
    """Deliver a notification by its channel."""
    args = Notify(notification_id=notification_id)
    if channel is Channel.WEBHOOK:
        unit.enqueue(deliver_webhook, args, key=notification_id, limit=limit_of(recipient))
    else:
        unit.enqueue(send_email, args, key=notification_id)
