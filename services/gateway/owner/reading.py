"""What an owner's page shows, asked of the read model and of billing. What one of them cannot say now is left out."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from yarl import URL

from schemas.catalogue import Plan
from schemas.quantities import BASE
from services.chassis.other_service import OtherService
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway import store
from services.gateway.api_reading import OtherServices
from services.gateway.outbound.compose import technician_of
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.knowledge import Knowledge

INVOICES_SHOWN = 24
ALERTS_SHOWN = 10
SHOWN_STATES = ("active", "suspended", "ended")
HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")
ROME = ZoneInfo("Europe/Rome")


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks after a firm."""

    reseller: str
    name: str
    phone: str
    email: str
    photo: str
    """Where a picture of that person is, by https; empty: none."""


class FirmReading:
    """Gathers what a page shows."""

    def __init__(
        self, runtime: Runtime, knowledge: Knowledge, contacts: Contacts, others: OtherServices
    ) -> None:
        self._runtime, self._knowledge, self._contacts = runtime, knowledge, contacts
        self._others = others

    async def firm(self, tenant_id: str) -> dict[str, Any]:
        """Everything on the page; a part is None while who answers for it is unavailable."""
        read_model, billing = self._others.read_model, self._others.billing
        first, after = self._month_so_far()
        mine = {"tenant_id": tenant_id}
        of_tenant = f"/v1/tenants/{tenant_id}"
        tenant, invoices, alerts, cost, usage, caps = await asyncio.gather(
            _part(read_model, f"/api/v1/reading/tenants/{tenant_id}", {}),
            _part(read_model, "/api/v1/reading/invoices", mine | {"limit": INVOICES_SHOWN}),
            _part(read_model, "/api/v1/reading/alerts", mine | {"limit": ALERTS_SHOWN}),
            _part(billing, f"{of_tenant}/cost", {}),
            _part(billing, f"{of_tenant}/usage", {"from": first, "to": after, "by": "total"}),
            _part(billing, f"{of_tenant}/caps", {}),
        )
        plans = (await self._knowledge.of(())).plans
        services = [
            service | {"name": _name(plans, service["sku"]), "counted": _counted(plans, service)}
            for service in (tenant or {}).get("services", [])
            if service["state"] in SHOWN_STATES
        ]
        return {
            "tenant": tenant, "services": services, "invoices": invoices, "alerts": alerts, "cost": cost,
            "usage": _named(usage, services, plans), "caps": caps,
            "names": {service["service_id"]: service["name"] for service in services},
            "person": await self._person(tenant_id),
        }  # fmt: skip

    async def invoice(self, tenant_id: str, invoice_id: str) -> dict[str, Any] | None:
        """One document of a tenant's; None when it is not one of its own. Raises `Problem` 503."""
        path = f"/api/v1/reading/invoices/{invoice_id}"
        seen = await self._others.read_model.get(path, {})
        found: dict[str, Any] = msgspec.json.decode(seen.body)
        return found if seen.status == 200 and found["tenant_id"] == tenant_id else None

    async def firm_of_invoice(self, tenant_id: str) -> dict[str, Any] | None:
        """The firm as a document names it."""
        path = f"/api/v1/reading/tenants/{tenant_id}"
        found: dict[str, Any] | None = await _part(self._others.read_model, path, {})
        return found

    async def _person(self, tenant_id: str) -> Person | None:
        async with self._runtime.pool.acquire() as db:
            tenant = await store.tenant(db, tenant_id)
            if tenant is None or tenant.reseller_id is None:
                return None
            reseller = await store.reseller(db, tenant.reseller_id)
        if reseller is None:
            return None
        known = technician_of(reseller, self._contacts)
        photo = known.get("photo_url", "")
        return Person(
            reseller.name,
            known["name"],
            known["phone"],
            known["email"],
            photo if origin_of(photo) else "",
        )

    def _month_so_far(self) -> tuple[date, date]:
        today = self._runtime.clock.now().astimezone(ROME).date()
        return today.replace(day=1), today + timedelta(days=1)


def origin_of(url: str) -> str:
    """The scheme and host of a picture that a page may show; empty for what is no plain https address."""
    try:
        found = URL(url)
    except ValueError:
        return ""
    is_plain = found.scheme == "https" and found.host and HOST.fullmatch(found.raw_authority)
    return f"https://{found.raw_authority}" if is_plain else ""


async def _part(service: OtherService, path: str, params: Mapping[str, Any]) -> Any:
    """An answer; None when there is none now, or not yet."""
    try:
        seen = await service.get(path, params)
    except Problem:
        return None
    return msgspec.json.decode(seen.body) if seen.status == 200 else None


def _name(plans: Mapping[str, Plan], sku: str) -> str:
    return plans[sku].name if sku in plans else sku


def _counted(plans: Mapping[str, Plan], service: Mapping[str, Any]) -> list[tuple[Decimal, str]]:
    """What was ordered of a service, with the noun that its number asks for."""
    prices = plans[service["sku"]].recurring if service["sku"] in plans else ()
    found = [
        (Decimal(service["quantities"].get(price.meter, "0")), price)
        for price in prices
        if price.meter != BASE
    ]
    return [(n, price.singular if n == 1 else price.plural) for n, price in found if n]


def _named(
    usage: list[dict[str, Any]] | None, services: list[dict[str, Any]], plans: Mapping[str, Plan]
) -> list[dict[str, Any]] | None:
    """What was used, under the names that documents give it."""
    if usage is None:
        return None
    skus = {service["service_id"]: service["sku"] for service in services}
    prices = {(plan.sku, price.meter): price for plan in plans.values() for price in plan.usage}
    found = []
    for row in usage:
        price = prices.get((skus.get(row["service_id"], ""), row["meter"]))
        if price is not None:
            found.append(row | {"label": price.label, "unit": price.unit})
    return found
