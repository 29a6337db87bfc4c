"""A gateway at work, seen from outside: its operator, two resellers, a back-end, and what onboarding would tell it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from schemas import identity
from schemas.catalogue import Place
from schemas.envelope import Event, Payload
from schemas.orders import Address
from schemas.scalars import rfc3339
from schemas.tenants import ServiceActivated, TenantAssigned, TenantRegistered
from schemas.topics import ORDERS, SIGNALS, USAGE
from services.chassis.clock import ManualClock
from services.gateway.app import GatewaySettings, build
from services.gateway.domain.cloudevents import BATCHED, STRUCTURED
from tests.support.catalogue import CATALOGUE
from tests.support.running import Running, running, settings_for

TOKEN = "operator-for-tests"
NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
VAT_NUMBERS = {"A": "99001019993", "B": "12345670017", "C": "99001029992"}
"""Numbers that pass their check; whether anybody has them does not matter here."""

PLACE = {
    "comune": "Modena",
    "provincia": "MO",
    "regione": "Emilia-Romagna",
    "lat": 44.64,
    "lon": 10.92,
}
BACKEND = {"name": "ERP", "skus": ["ERP-CLOUD"]}
ADDRESS = {"street": "Via dell'Esempio 1", "cap": "41121", "comune": "Modena", "provincia": "MO"}
CONTACT = {"name": "Ada Esempio", "phone": "+39 0555 020001", "email": "ada@esempio.example.it"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    headers: Any
    text: bytes = b""

    @property
    def reasons(self) -> list[str]:
        return [fault["reason"] for fault in self.body.get("errors", [])]


def tenant_of(name: str) -> str:
    """The tenant id of example firm `A` or `B`, or of `C`, which nobody serves."""
    return identity.tenant_id("IT", VAT_NUMBERS[name])


def reseller(name: str, url: str = "http://127.0.0.1:9/hook") -> dict[str, Any]:
    """What the operator registers of a reseller."""
    return {
        "name": f"Reseller {name}", "place": PLACE, "languages": ["it"], "certifications": ["ERP-CLOUD"],
        "capacity": 10, "active": 0, "tier": "gold", "webhook_url": url,
        "contact": {"name": f"Tecnico {name}", "phone": "+39 0555 1", "email": f"{name}@example.it", "photo_url": ""},
    }  # fmt: skip


def order_data(firm: str = "A", **more: Any) -> dict[str, Any]:
    """A firm's first order."""
    tenant = {
        "external_id": f"SME-{firm}", "name": f"Firm {firm}", "partita_iva": VAT_NUMBERS[firm], "address": dict(ADDRESS),
        "contact": dict(CONTACT), "vertical": "ceramica",
    }  # fmt: skip
    return {
        "reference": "ORD-1", "tenant": tenant,
        "items": [{"action": "add", "sku": "ERP-CLOUD", "quantities": {"extra_user": "3"}}], **more,
    }  # fmt: skip


def cloud_event(type_: str, data: Any, subject: str | None = None, **more: Any) -> dict[str, Any]:
    """A structured CloudEvent; `None` takes an attribute away."""
    event = {
        "specversion": "1.0", "id": str(uuid4()), "source": "/portal", "type": type_, "subject": subject,
        "time": rfc3339(NOW), "data": data, **more,
    }  # fmt: skip
    return {name: value for name, value in event.items() if value is not None}


def order(firm: str = "A", **more: Any) -> dict[str, Any]:
    """A first order as an event."""
    return cloud_event("vicino.order.placed.v1", order_data(firm), **more)


@dataclass
class World:
    """The gateway and everybody who knocks."""

    gateway: Running
    session: aiohttp.ClientSession
    clock: ManualClock
    keys: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, body: Any = None, key: str | None = TOKEN
    ) -> Answer:
        """A request with a JSON body."""
        raw = None if body is None else msgspec.json.encode(body)
        return await self.raw(method, path, raw, {"content-type": "application/json"}, key)

    async def raw(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] | None,
        headers: dict[str, str],
        key: str | None,
    ) -> Answer:
        """A request as it is."""
        known = {"authorization": f"Bearer {self.keys.get(key, key)}"} if key is not None else {}
        async with self.session.request(
            method, self.gateway.url + path, data=body, headers=known | headers
        ) as answer:
            text = await answer.read()
            return Answer(
                answer.status, msgspec.json.decode(text) if text else None, answer.headers, text
            )

    async def post(
        self, events: dict[str, Any] | Sequence[dict[str, Any]], key: str | None = "VAR-A"
    ) -> Answer:
        """Send one event, or a batch."""
        kind = STRUCTURED if isinstance(events, dict) else BATCHED
        return await self.raw(
            "POST", "/v1/events", msgspec.json.encode(events), {"content-type": kind}, key
        )

    async def let_in(self) -> int:
        """How many events are on the inner topics."""
        return sum((await self.gateway.ends([ORDERS, USAGE, SIGNALS])).values())

    async def register(self, name: str, url: str = "http://127.0.0.1:9/hook") -> None:
        """Register a reseller and keep its key and secret."""
        answer = await self.call("PUT", f"/operator/v1/resellers/{name}", reseller(name, url))
        assert answer.status == 201, answer
        self.keys[name], self.secrets[name] = answer.body["api_key"], answer.body["webhook_secret"]

    async def give_back(self, firm: str, reseller_id: str) -> None:
        """Give a firm back to its reseller, and make the doors forget whom they believed to serve it."""
        await self.gateway.sql(
            "update tenant set reseller_id = $2 where id = $1", tenant_of(firm), reseller_id
        )
        await self.call("PUT", "/operator/v1/backends/erp", BACKEND)

    async def tell(self, tenant: str, *payloads: Payload) -> None:
        """What another service says about a tenant."""
        await self.gateway.publish(*(
            Event(str(uuid4()), "/vicino/test", payload.wire_type, tenant, self.clock.now(), payload)
            for payload in payloads
        ))  # fmt: skip

    async def serve(self, firm: str, reseller_id: str) -> str:
        """Make a firm a tenant of a reseller, with one ERP service; returns the service's id."""
        tenant, service_id = tenant_of(firm), str(uuid4())
        await self.tell(
            tenant,
            registered(firm),
            assigned(reseller_id),
            ServiceActivated(
                service_id=service_id, order_id=str(uuid4()), item=0, sku="ERP-CLOUD", quantities={},
                effective_at=NOW,
            ),
        )  # fmt: skip
        self.services[firm] = service_id
        await self.gateway.settled()
        return service_id


def registered(firm: str) -> TenantRegistered:
    """Onboarding's word that a firm is a tenant."""
    return TenantRegistered(
        external_id=f"SME-{firm}", name=f"Firm {firm}", partita_iva=VAT_NUMBERS[firm], codice_destinatario="0000000",
        address=Address(**ADDRESS), place=Place(**PLACE), language="it", vertical="ceramica", size_class="small",
    )  # fmt: skip


def assigned(reseller_id: str) -> TenantAssigned:
    """Onboarding's word about who serves a tenant."""
    ranked = {"reseller_id": "VAR-OTHER", "distance_km": "1.0", "score": "0.50"}
    return TenantAssigned.model_validate(
        {"reseller_id": reseller_id, "distance_km": "1.0", "score": "0.50", "ranking": [ranked]}
    )


@asynccontextmanager
async def open_world(
    database: str, bootstrap: str, prefix: str, **more: Any
) -> AsyncIterator[World]:
    """A gateway with the example catalogue, resellers VAR-A and VAR-B, and the back-end `erp`."""
    settings = await settings_for(
        GatewaySettings,
        "gateway",
        database,
        bootstrap,
        prefix,
        **{"webhook_allow_private": True, **more},
    )
    clock = ManualClock(NOW)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(build(settings), clock))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        world = World(gateway, session, clock)
        assert (await world.call("PUT", "/operator/v1/catalogue", CATALOGUE)).status == 200
        for name in ("VAR-A", "VAR-B"):
            await world.register(name)
        answer = await world.call("PUT", "/operator/v1/backends/erp", BACKEND)
        world.keys["erp"] = answer.body["api_key"]
        yield world


def usage(world: World, firm: str = "A", n: int = 0, **more: Any) -> dict[str, Any]:
    """A usage event of a firm's ERP service."""
    data = {
        "service_id": world.services[firm],
        "meter": "e_invoices",
        "value": f"FT-{n}",
        **more.pop("data", {}),
    }
    time_text = rfc3339(NOW - timedelta(minutes=n % 60))
    return cloud_event("vicino.usage.recorded.v1", data, tenant_of(firm), time=time_text, **more)
