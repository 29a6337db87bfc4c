"""What the operator's use cases need, and what they have in common: names that are free, and keys.

Everything on `catalogue.v1` gets the next revision, in the transaction that publishes it.
"""

from dataclasses import dataclass

from schemas.identity import OPERATOR, OWNER, SPENDING_CAP
from schemas.scalars import NO_RESELLER
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway.adapters.webhook import WebhookSender
from services.gateway.domain.admission import PrincipalKind
from services.gateway.domain.keys import new_key
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.knowledge import Knowledge
from services.gateway.store import sql

CATALOGUE_SUBJECT = "catalogue"


class Overtaken(RuntimeError):
    """Another one was put than the one that was to be replaced."""


def check_replaced(what: str, stands: int, replaced: int | None) -> None:
    """Raises `Overtaken` when something else stands than what was to be replaced; None replaces anything."""
    if replaced is not None and replaced != stands:
        raise Overtaken(f"the {what} that stands has revision {stands}, not {replaced}")


@dataclass(frozen=True, slots=True)
class Registry:
    """What the operator registers is kept and published with these."""

    runtime: Runtime
    knowledge: Knowledge
    contacts: Contacts
    webhooks: WebhookSender


async def check_name(db: Connection, kind: PrincipalKind, name: str) -> None:
    """Names are unique over kinds, because an event carries only the name of who spoke. Raises `Problem` 409."""
    if name in (OPERATOR, OWNER, SPENDING_CAP, *NO_RESELLER) or await sql.kind_of(
        db, id=name
    ) not in (
        None,
        kind,
    ):
        raise Problem(409, "Conflict", "this name belongs to another principal")


async def issue_key(db: Connection, kind: PrincipalKind, principal: str) -> str:
    """A new key of a principal; its text is shown once and not kept."""
    key = new_key()
    await sql.add_key(
        db, key_id=key.key_id, kind=kind, principal=principal, secret_hash=key.secret_hash
    )
    return key.text
