"""A notification as its recipient gets it: the fact, the firm's name, and for an alert the persons to call."""

from datetime import datetime
from typing import Any

from schemas.rejects import EventRejected
from schemas.scalars import read_instant, rfc3339
from schemas.tenants import OrderFailed
from services.chassis.database import Connection
from services.chassis.jobs import NotYet
from services.chassis.store import collect
from services.gateway import store
from services.gateway.adapters.webhook import Receiver, WebhookSender
from services.gateway.domain.model import Notification, NotifiedReseller
from services.gateway.principals import sealed
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.tenant_keys import contact_of
from services.gateway.store import sql

TO_THE_SENDER = frozenset({OrderFailed.wire_type, EventRejected.wire_type})
"""What goes to whoever sent something, which need not be the tenant's reseller."""

TENANT_WAIT_SECONDS = 0.5


async def compose(db: Connection, notification: Notification, contacts: Contacts) -> dict[str, Any]:
    """The event as its recipient gets it, for an alert with the persons to call. Raises `NotYet` while the tenant is unknown."""
    data = dict(notification.event["data"])
    # How the others stood is between them and the operator.
    data.pop("ranking", None)
    # Its recipient may serve others than this tenant: no names.
    if notification.about in TO_THE_SENDER:
        return _addressed(notification, data)
    # About the reseller itself, such as its statement: no tenant belongs to it.
    if notification.tenant_id == notification.recipient:
        return _addressed(notification, data)
    tenant = await store.tenant(db, notification.tenant_id)
    if tenant is None or tenant.external_id is None:
        raise NotYet(TENANT_WAIT_SECONDS, "the tenant's names are not here yet")
    data["tenant"] = {
        "tenant_id": tenant.id,
        "external_id": tenant.external_id,
        "name": tenant.name,
    }
    if notification.alert_id is not None:
        data["tenant"]["contact"] = await contact_of(db, contacts, tenant)
        reseller = await store.reseller(db, data["reseller_id"])
        data["contact"] = technician_of(reseller, contacts) if reseller else None
    return _addressed(notification, data)


def technician_of(reseller: NotifiedReseller, contacts: Contacts) -> dict[str, Any]:
    """Whom to call at a reseller."""
    found = contacts.open(reseller.contact, sealed.reseller_contact(reseller.id))
    assert found is not None, "a reseller has a technician"
    return found


def _addressed(notification: Notification, data: dict[str, Any]) -> dict[str, Any]:
    """The event around its data."""
    event = notification.event
    return {
        "specversion": "1.0", "id": event["id"], "source": "/vicino/gateway", "type": notification.about,
        "subject": notification.tenant_id, "time": rfc3339(read_instant(event["time"])), "datacontenttype": "application/json",
        "data": data,
    }  # fmt: skip


async def receiver_of(
    db: Connection, reseller: NotifiedReseller, webhooks: WebhookSender, now: datetime
) -> Receiver:
    """Where it goes; for a day after a rotation it is signed with the secret before, too."""
    past = await collect(sql.past_secrets(db, id=reseller.id, now=now))
    kept = [reseller.webhook_secret, *(row["secret"] for row in past)]
    row = sealed.webhook_secret(reseller.id)
    return Receiver(
        reseller.webhook_url, tuple(webhooks.open_secret(secret, row) for secret in kept)
    )
