"""Register a reseller: whom to call, where its webhooks go, and whom it serves well."""

from typing import Any
from uuid import uuid4

from schemas.catalogue import ResellerRegistered
from services.chassis.web import Problem
from services.gateway.domain.addresses import AddressRefused
from services.gateway.domain.admission import PrincipalKind
from services.gateway.domain.keys import new_webhook_secret
from services.gateway.operator_requests import ResellerSpec
from services.gateway.principals import sealed
from services.gateway.store import sql
from services.gateway.usecases.look_after_oneself import try_waiting
from services.gateway.usecases.registry import (
    CATALOGUE_SUBJECT,
    Registry,
    check_name,
    check_replaced,
    issue_key,
)


async def register_reseller(
    registry: Registry, reseller_id: str, spec: ResellerSpec, replaced: int | None = None
) -> tuple[dict[str, Any], bool]:
    """Register a reseller; the first time, its key and signing secret are in the answer, and never again.

    `replaced`: only in place of what was put with this revision.

    Raises `Overtaken`, `Problem` 409 for a name that is taken, 422 for an address where no webhook may go.
    """
    if spec.webhook_url:
        _check_address(registry, spec.webhook_url)
    secret = new_webhook_secret()
    async with registry.runtime.unit(f"reseller|{uuid4()}") as unit:
        revision = int(await sql.next_revision(unit.db))
        await check_name(unit.db, PrincipalKind.RESELLER, reseller_id)
        stands = await sql.reseller_revision(unit.db, id=reseller_id)
        check_replaced("reseller", int(stands or 0), replaced)
        known = spec.model_dump(exclude={"contact", "webhook_url", "notify_by"})
        is_new = await sql.put_reseller(
            unit.db, id=reseller_id, name=spec.name, webhook_url=spec.webhook_url,
            webhook_secret=registry.webhooks.seal_secret(secret, sealed.webhook_secret(reseller_id)),
            contact=registry.contacts.seal(spec.contact.model_dump(), sealed.reseller_contact(reseller_id)),
            profile=spec.model_dump(mode="json", exclude={"contact", "webhook_url"}), revision=revision,
        )  # fmt: skip
        unit.publish(
            ResellerRegistered(reseller_id=reseller_id, revision=revision, **known),
            subject=CATALOGUE_SUBJECT,
        )
        answer: dict[str, Any] = {"revision": revision}
        if not is_new:
            await try_waiting(reseller_id, unit)
        else:
            answer |= {
                "api_key": await issue_key(unit.db, PrincipalKind.RESELLER, reseller_id),
                "webhook_secret": secret,
            }
    registry.knowledge.forget()
    return answer, bool(is_new)


def _check_address(registry: Registry, url: str) -> None:
    try:
        registry.webhooks.check(url)
    except AddressRefused as error:
        raise Problem(422, "Unprocessable Content", str(error)) from None
