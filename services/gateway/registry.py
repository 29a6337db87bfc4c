"""What the operator registers: the catalogue, resellers, back-ends, keys, and decisions about tenants.

Everything on `catalogue.v1` gets the next revision, in the transaction that says it.
"""

from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from schemas.catalogue import CataloguePublished, Meter, Place, Plan, ResellerRegistered, ResellerTier
from schemas.deliveries import Channel
from schemas.orders import AssignmentDecided
from schemas.scalars import Currency, Instant, Key, ShortText, Text
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway.adapters.webhook import WebhookSender
from services.gateway.domain.addresses import AddressRefused
from services.gateway.domain.admission import Kind
from services.gateway.domain.keys import new_key, new_webhook_secret
from services.gateway.jobs import Notify, kind_of
from services.gateway.knowledge import Knowledge
from services.gateway.people import People
from services.gateway.store import sql

CATALOGUE_SUBJECT = "catalogue"
LIVE_KEYS_MAX = 2


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CatalogueSpec(_Spec):
    """A catalogue to be put into force."""

    valid_from: Instant
    currency: Currency
    meters: tuple[Meter, ...]
    plans: tuple[Plan, ...]


class Technician(_Spec):
    """The face: who comes, calls and writes."""

    name: ShortText
    phone: ShortText
    email: ShortText
    photo_url: Text = ""


class ResellerSpec(_Spec):
    """A reseller to be registered."""

    name: ShortText
    place: Place
    languages: tuple[Key, ...]
    verticals: tuple[ShortText, ...] = ()
    certifications: tuple[Key, ...] = ()
    capacity: int
    active: int
    tier: ResellerTier = ResellerTier.SILVER
    contact: Technician
    webhook_url: Text


class BackendSpec(_Spec):
    """A back-end of services to be registered."""

    name: ShortText
    skus: tuple[Key, ...]


class Decision(_Spec):
    """Who shall serve a tenant."""

    reseller_id: Key
    reason: Text = ""


class Registry:
    """Registers, on behalf of the operator."""

    def __init__(self, runtime: Runtime, knowledge: Knowledge, people: People, webhooks: WebhookSender) -> None:
        self._runtime, self._knowledge, self._people, self._webhooks = runtime, knowledge, people, webhooks

    async def publish_catalogue(self, spec: CatalogueSpec) -> int:
        """Put a catalogue into force; returns its revision. Raises `Problem` 422 for a meter that nobody declares."""
        declared = {meter.key for meter in spec.meters}
        if missing := {price.meter for plan in spec.plans for price in plan.usage} - declared:
            raise Problem(422, "Unprocessable Content", f"these meters are not declared: {', '.join(sorted(missing))}")
        async with self._runtime.unit(f"catalogue|{uuid4()}") as unit:
            revision = int(await sql.next_revision(unit.db))
            for plan in spec.plans:
                await sql.put_plan(unit.db, sku=plan.sku, revision=revision, plan=plan.model_dump(mode="json"))
            await sql.withdraw_plans(unit.db, revision=revision)
            unit.publish(CataloguePublished(revision=revision, **dict(spec)), subject=CATALOGUE_SUBJECT)
        self._knowledge.forget()
        return revision

    async def put_reseller(self, reseller_id: str, spec: ResellerSpec) -> tuple[dict[str, Any], bool]:
        """Register a reseller; the first time, its key and signing secret are in the answer, and never again."""
        try:
            self._webhooks.check(spec.webhook_url)
        except AddressRefused as error:
            raise Problem(422, "Unprocessable Content", str(error)) from None
        secret = new_webhook_secret()
        async with self._runtime.unit(f"reseller|{uuid4()}") as unit:
            revision = int(await sql.next_revision(unit.db))
            is_new = await sql.put_reseller(
                unit.db, id=reseller_id, name=spec.name, webhook_url=spec.webhook_url,
                webhook_secret=self._webhooks.seal_secret(secret), contact=self._people.seal(spec.contact.model_dump()),
            )  # fmt: skip
            known = spec.model_dump(exclude={"contact", "webhook_url"})
            unit.publish(
                ResellerRegistered(reseller_id=reseller_id, revision=revision, **known), subject=CATALOGUE_SUBJECT
            )
            answer: dict[str, Any] = {"revision": revision}
            if is_new:
                answer |= {"api_key": await _add_key(unit.db, Kind.RESELLER, reseller_id), "webhook_secret": secret}
        self._knowledge.forget()
        return answer, bool(is_new)

    async def put_backend(self, backend_id: str, spec: BackendSpec) -> tuple[dict[str, Any], bool]:
        """Register a back-end; the first time, its key is in the answer."""
        async with self._runtime.pool.acquire() as db, db.transaction():
            is_new = await sql.put_backend(db, id=backend_id, name=spec.name, skus=list(spec.skus))
            answer = {"api_key": await _add_key(db, Kind.BACKEND, backend_id)} if is_new else {}
        self._knowledge.forget()
        return answer, bool(is_new)

    async def add_key(self, kind: Kind, principal: str) -> str:
        """A further key of a reseller, at most two live. Raises `Problem` 404, 409."""
        async with self._runtime.pool.acquire() as db, db.transaction():
            if await sql.reseller(db, id=principal) is None:
                raise Problem(404, "Not Found", "no such reseller")
            if await sql.live_keys(db, principal=principal) >= LIVE_KEYS_MAX:
                raise Problem(409, "Conflict", f"{LIVE_KEYS_MAX} keys are live: revoke one first")
            return await _add_key(db, kind, principal)

    async def revoke_key(self, key_id: str) -> None:
        """End a key. Raises `Problem` 404."""
        async with self._runtime.pool.acquire() as db:
            if await sql.revoke_key(db, key_id=key_id) is None:
                raise Problem(404, "Not Found", "no such live key")
        self._knowledge.forget()

    async def decide(self, tenant_id: str, decision: Decision) -> str:
        """Say who shall serve a tenant; returns the event's id. Raises `Problem` 404."""
        async with self._runtime.unit(f"decision|{uuid4()}") as unit:
            if (
                await sql.tenant(unit.db, id=tenant_id) is None
                or await sql.reseller(unit.db, id=decision.reseller_id) is None
            ):
                raise Problem(404, "Not Found", "no such tenant or reseller")
            return unit.publish(AssignmentDecided(**decision.model_dump()), subject=tenant_id).id

    async def redeliver(self, notification_id: str) -> None:
        """Send a notification again. Raises `Problem` 404."""
        async with self._runtime.unit(f"redeliver|{uuid4()}") as unit:
            channel = await sql.reopen_notification(unit.db, id=notification_id)
            if channel is None:
                raise Problem(404, "Not Found", "no such notification")
            unit.enqueue(kind_of(Channel(channel)), Notify(notification_id=notification_id), key=notification_id)


async def _add_key(db: Any, kind: Kind, principal: str) -> str:
    key = new_key()
    await sql.add_key(db, key_id=key.key_id, kind=kind, principal=principal, secret_hash=key.secret_hash)
    return key.text
