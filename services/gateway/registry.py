"""What the operator registers: the catalogue, resellers, back-ends, keys, and decisions about tenants.

Everything on `catalogue.v1` gets the next revision, in the transaction that says it.
"""

from typing import Any
from uuid import uuid4

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.deliveries import Channel
from schemas.identity import OPERATOR
from schemas.orders import AssignmentDecided, OrderReviewed
from schemas.scalars import NO_RESELLER
from services.chassis.database import Connection
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.chassis.web import Problem
from services.gateway import metrics, sealed, tenant_keys
from services.gateway.adapters.webhook import WebhookSender
from services.gateway.contacts import Contacts
from services.gateway.domain.addresses import AddressRefused
from services.gateway.domain.admission import Kind
from services.gateway.domain.keys import LIVE_KEYS_MAX, PAST_SECRETS_MAX, SECRET_OVERLAP, new_key, new_webhook_secret
from services.gateway.jobs import ask_for_delivery
from services.gateway.knowledge import Knowledge
from services.gateway.operator_requests import BackendSpec, CatalogueSpec, Decision, ResellerSpec, ReviewSpec
from services.gateway.store import sql

CATALOGUE_SUBJECT = "catalogue"

log = logger(__name__)


class Registry:
    """Registers, on behalf of the operator."""

    def __init__(self, runtime: Runtime, knowledge: Knowledge, contacts: Contacts, webhooks: WebhookSender) -> None:
        self._runtime, self._knowledge, self._contacts, self._webhooks = runtime, knowledge, contacts, webhooks

    async def publish_catalogue(self, spec: CatalogueSpec) -> int:
        """Put a catalogue into force; returns its revision."""
        async with self._runtime.unit(f"catalogue|{uuid4()}") as unit:
            revision = int(await sql.next_revision(unit.db))
            for plan in spec.plans:
                await sql.put_plan(unit.db, sku=plan.sku, revision=revision, plan=plan.model_dump(mode="json"))
            for meter in spec.meters:
                await sql.put_meter_name(unit.db, meter=meter.key, name=meter.reads)
            await sql.withdraw_plans(unit.db, revision=revision)
            unit.publish(CataloguePublished(revision=revision, **dict(spec)), subject=CATALOGUE_SUBJECT)
        self._knowledge.forget()
        return revision

    async def put_reseller(self, reseller_id: str, spec: ResellerSpec) -> tuple[dict[str, Any], bool]:
        """Register a reseller; the first time, its key and signing secret are in the answer, and never again.

        Raises `Problem` 409 for a name that is taken, 422 for an address where no webhook may go.
        """
        self._check_address(spec.webhook_url)
        secret = new_webhook_secret()
        async with self._runtime.unit(f"reseller|{uuid4()}") as unit:
            revision = int(await sql.next_revision(unit.db))
            await _check_name(unit.db, Kind.RESELLER, reseller_id)
            is_new = await sql.put_reseller(
                unit.db, id=reseller_id, name=spec.name, webhook_url=spec.webhook_url,
                webhook_secret=self._webhooks.seal_secret(secret, sealed.webhook_secret(reseller_id)),
                contact=self._contacts.seal(spec.contact.model_dump(), sealed.reseller_contact(reseller_id)),
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

    def _check_address(self, url: str) -> None:
        try:
            self._webhooks.check(url)
        except AddressRefused as error:
            raise Problem(422, "Unprocessable Content", str(error)) from None

    async def put_backend(self, backend_id: str, spec: BackendSpec) -> tuple[dict[str, Any], bool]:
        """Register a back-end; the first time, its key is in the answer. Raises `Problem` 409 for a name taken."""
        async with self._runtime.unit(f"backend|{uuid4()}") as unit:
            await sql.lock_registry(unit.db)
            await _check_name(unit.db, Kind.BACKEND, backend_id)
            is_new = await sql.put_backend(unit.db, id=backend_id, name=spec.name, skus=list(spec.skus))
            answer = {"api_key": await _add_key(unit.db, Kind.BACKEND, backend_id)} if is_new else {}
        self._knowledge.forget()
        return answer, bool(is_new)

    async def add_key(self, reseller_id: str) -> str:
        """A further key of a reseller, at most two live. Raises `Problem` 404, 409."""
        async with self._runtime.unit(f"key|{uuid4()}") as unit:
            if await sql.lock_reseller(unit.db, id=reseller_id) is None:
                raise Problem(404, "Not Found", "no such reseller")
            if await sql.live_keys(unit.db, principal=reseller_id) >= LIVE_KEYS_MAX:
                raise Problem(409, "Conflict", f"{LIVE_KEYS_MAX} keys are live: revoke one first")
            return await _add_key(unit.db, Kind.RESELLER, reseller_id)

    async def revoke_key(self, key_id: str) -> None:
        """End a key. Raises `Problem` 404."""
        async with self._runtime.pool.acquire() as db:
            if await sql.revoke_key(db, key_id=key_id) is None:
                raise Problem(404, "Not Found", "no such live key")
        self._knowledge.forget()

    async def rotate_secret(self, reseller_id: str) -> str:
        """A new signing secret; each one before signs along for its day. Raises `Problem` 404, 409 for too many in a day."""
        secret = new_webhook_secret()
        async with self._runtime.unit(f"secret|{uuid4()}") as unit:
            if await sql.lock_reseller(unit.db, id=reseller_id) is None:
                raise Problem(404, "Not Found", "no such reseller")
            await sql.end_past_secrets(unit.db, id=reseller_id, now=unit.now)
            past = await collect(sql.past_secrets(unit.db, id=reseller_id, now=unit.now))
            if len(past) >= PAST_SECRETS_MAX:
                detail = f"{PAST_SECRETS_MAX} secrets of the last 24 hours still sign along: wait until one has ended"
                raise Problem(409, "Conflict", detail)
            kept = self._webhooks.seal_secret(secret, sealed.webhook_secret(reseller_id))
            await sql.keep_past_secret(unit.db, id=reseller_id, ends_at=unit.now + SECRET_OVERLAP)
            await sql.put_webhook_secret(unit.db, id=reseller_id, webhook_secret=kept)
        return secret

    async def decide(self, tenant_id: str, decision: Decision) -> str:
        """Say who shall serve a tenant; returns the event's id. Raises `Problem` 404."""
        async with self._runtime.unit(f"decision|{uuid4()}") as unit:
            tenant = await sql.tenant(unit.db, id=tenant_id)
            reseller = await sql.reseller(unit.db, id=decision.reseller_id)
            if tenant is None or reseller is None:
                raise Problem(404, "Not Found", "no such tenant or reseller")
            keys = await tenant_keys.held(unit.db, self._contacts, [tenant_id] if decision.reason else [])
            sealing = keys[tenant_id].seal_event if keys else None
            return unit.publish(AssignmentDecided(**decision.model_dump()), subject=tenant_id, sealing=sealing).id

    async def review(self, tenant_id: str, order_id: str, spec: ReviewSpec) -> str:
        """Let an order of a tenant go on, or end it; returns the event's id.

        A firm whose town is not known is no tenant yet and has orders nevertheless: the tenant is not looked up.
        """
        async with self._runtime.unit(f"review|{uuid4()}") as unit:
            return unit.publish(OrderReviewed(order_id=order_id, **spec.model_dump()), subject=tenant_id).id

    async def erase_contact(self, tenant_id: str) -> None:
        """Forget the person at a tenant, in every copy there is. Raises `Problem` 404."""
        async with self._runtime.pool.acquire() as db, db.transaction():
            if not await tenant_keys.erase(db, tenant_id):
                raise Problem(404, "Not Found", "no such tenant")
        metrics.ERASED.inc()
        log.info("the persons at a tenant were erased", tenant_id=tenant_id)

    async def redeliver(self, notification_id: str) -> None:
        """Send a notification again, with all its attempts. Raises `Problem` 404."""
        async with self._runtime.unit(f"redeliver|{uuid4()}") as unit:
            found = await sql.reopen_notification(unit.db, id=notification_id)
            if found is None:
                raise Problem(404, "Not Found", "no such notification")
            ask_for_delivery(notification_id, Channel(found["channel"]), found["recipient"], unit)


async def _check_name(db: Connection, kind: Kind, name: str) -> None:
    """Names are unique over kinds, because an event carries only the name of who spoke."""
    if name in (OPERATOR, *NO_RESELLER) or await sql.kind_of(db, id=name) not in (None, kind):
        raise Problem(409, "Conflict", "this name is somebody else's")


async def _add_key(db: Connection, kind: Kind, principal: str) -> str:
    key = new_key()
    await sql.add_key(db, key_id=key.key_id, kind=kind, principal=principal, secret_hash=key.secret_hash)
    return key.text
