"""The mail that opens an owner's page, in Italian: what is there, until when, and whom to call."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.tenants import TenantAssigned
from services.chassis.database import Connection
from services.chassis.italian import day
from services.chassis.jobs import GiveUp, NotYet
from services.chassis.texts import one_line
from services.gateway import store
from services.gateway.domain.model import Notification
from services.gateway.domain.owner_links import LASTS, new_link
from services.gateway.outbound.compose import TENANT_WAIT_SECONDS, technician_of
from services.gateway.principals import tenant_keys
from services.gateway.principals.contacts import Contacts

PATH = "/mia"
MOVED = "da oggi la persona che la segue è un'altra: la trova in fondo a questo messaggio e nella sua pagina."
NAME_LENGTH_MAX = 200
ROME = ZoneInfo("Europe/Rome")


@dataclass(frozen=True, slots=True)
class OwnerMail:
    """A mail to the person at a firm."""

    to: str
    subject: str
    text: str


async def mail_to_owner(
    db: Connection, notification: Notification, contacts: Contacts, public_url: str, now: datetime
) -> OwnerMail:
    """The mail, with a link made for it. Raises `GiveUp` when nobody is known at the firm, `NotYet` while its names are not."""
    tenant = await store.tenant(db, notification.tenant_id)
    if tenant is None or tenant.external_id is None:
        raise NotYet(TENANT_WAIT_SECONDS, "the tenant's names are not here yet")
    person = await tenant_keys.contact_of(db, contacts, tenant)
    signers = await tenant_keys.known(db, contacts, [tenant.id])
    if person is None or tenant.id not in signers:
        raise GiveUp("nobody is known at this firm")
    link = new_link(tenant.id, now)
    written = link.written(signers[tenant.id].sign_link(link.claim))
    reseller = await store.reseller(db, tenant.reseller_id) if tenant.reseller_id else None
    technician = technician_of(reseller, contacts) if reseller else None
    firm = one_line(tenant.name or tenant.external_id, NAME_LENGTH_MAX)
    lines = [
        f"Buongiorno {one_line(person['name'], NAME_LENGTH_MAX)},",
        "",
        *([MOVED, ""] if notification.about == TenantAssigned.wire_type else []),
        f"questa è la pagina di {firm}: i suoi servizi, quanto ha usato finora, le fatture e la persona che la segue.",
        "",
        f"{public_url}{PATH}/{written}",
        "",
        f"Il collegamento è personale e vale {LASTS.days} giorni, fino al {day(link.expires_at.astimezone(ROME).date())}.",
        f"Scaduto quello, ne può chiedere un altro qui: {public_url}{PATH}",
    ]
    if technician is not None and reseller is not None:
        name, phone = (one_line(technician[key], NAME_LENGTH_MAX) for key in ("name", "phone"))
        lines += [
            "",
            f"Per qualunque cosa: {name} ({one_line(reseller.name, NAME_LENGTH_MAX)}), {phone}.",
        ]
    return OwnerMail(person["email"], f"La pagina di {firm}", "\n".join(lines) + "\n")
