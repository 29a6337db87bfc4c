"""The gateway with the console and billing behind it, and two firms that all of them know."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from schemas.alerts import AlertAcknowledged, AlertKind, AlertOpened, Visit
from schemas.billing import InvoiceIssued, SettlementIssued
from schemas.signals import Severity
from schemas.tenants import OrderAcknowledged
from services.billing.app import BillingSettings
from services.billing.app import build as build_billing
from services.chassis.clock import ManualClock
from services.console.app import ConsoleSettings
from services.console.app import build as build_console
from tests.integration.gateway.world import (
    NOW,
    Answer,
    World,
    open_world,
    tenant_of,
)
from tests.support.premises import premises
from tests.support.running import Running, running, settings_for
from tests.support.servers import Addresses

LISTS = ("/v1/tenants", "/v1/orders", "/v1/alerts", "/v1/invoices", "/v1/statements")
FIRMS = {"A": "VAR-A", "B": "VAR-B"}


@dataclass
class Street:
    """The gateway, and who answers behind it."""

    world: World
    console: Running
    billing: Running
    ids: dict[str, dict[str, str]]
    """By firm: what each of its objects is called, by the path of its list."""

    async def settled(self) -> None:
        for service in (self.world.gateway, self.console, self.billing):
            await service.settled()

    async def get(self, path: str, key: str = "VAR-A") -> Answer:
        return await self.world.call("GET", path, key=key)

    async def listed(self, path: str, key: str, page: str = "limit=200") -> list[Any]:
        """A list, followed to its end."""
        found: list[Any] = []
        address = f"{path}?{page}"
        while address:
            answer = await self.get(address, key)
            assert answer.status == 200, answer.body
            found += answer.body
            address = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
        return found


def issued(firm: str, n: int) -> InvoiceIssued:
    """A document of a firm."""
    rate = {"aliquota_iva": "22", "imponibile": "10.00", "imposta": "2.20", "natura": None}
    return InvoiceIssued.model_validate({
        "invoice_id": str(uuid4()), "number": f"2026/A/{firm}{n:06}", "date": "2026-11-01", "due": "2026-12-01",
        "currency": "EUR", "reseller_id": FIRMS[firm],
        "lines": [{"n": 1, "sku": "ERP-CLOUD/base", "description": "Gestionale", "quantity": "1", "unit_price": "10",
                   "um": None, "net": "10.00", "period_from": "2026-11-01", "period_to": "2026-11-30",
                   "aliquota_iva": "22", "commissionable": True, "service_id": str(uuid4())}],
        "totals": {"riepilogo": [rate], "imponibile": "10.00", "imposta": "2.20", "totale_documento": "12.20",
                   "da_pagare": "12.20"},
    })  # fmt: skip


def opened(world: World, firm: str) -> AlertOpened:
    """An alert about a firm."""
    return AlertOpened(
        alert_id=str(uuid4()), kind=AlertKind.INCIDENT, severity=Severity.P1, service_id=world.services[firm],
        sku="ERP-CLOUD", reseller_id=FIRMS[firm], summary="down", opened_at=NOW,
        acknowledge_by=NOW + timedelta(minutes=15), resolve_by=None,
        visit=Visit.model_validate({"eligible": False, "due_at": None, "distance_km": "1.0"}),
    )  # fmt: skip


def acknowledged(reference: str) -> OrderAcknowledged:
    """An order that is being worked on."""
    return OrderAcknowledged(order_id=str(uuid4()), reference=reference, effective_at=NOW)


def statement(reseller_id: str, quarter: str) -> SettlementIssued:
    """A statement of a reseller."""
    return SettlementIssued.model_validate({
        "reseller_id": reseller_id, "quarter": quarter, "currency": "EUR", "model": "agency", "lines": [],
        "vested": "1.00", "carried_in": "0.00", "due": "1.00", "carried_out": "0.00",
    })  # fmt: skip


async def tell_of(street: Street, firm: str) -> None:
    """What the other services say about a firm: three of each."""
    world, tenant = street.world, tenant_of(firm)
    await world.serve(firm, FIRMS[firm])
    orders = [acknowledged(f"ORD-{firm}-{n}") for n in range(3)]
    documents = [issued(firm, n) for n in range(3)]
    alerts = [opened(world, firm) for _ in range(3)]
    answered = AlertAcknowledged(
        alert_id=alerts[0].alert_id, reseller_id=FIRMS[firm], by="Tecnico", acknowledged_at=NOW
    )
    await world.tell(tenant, *orders, *documents, *alerts, answered)
    statements = [statement(FIRMS[firm], f"2026-Q{n}") for n in (1, 2, 3)]
    await world.tell(FIRMS[firm], *statements)
    street.ids[firm] = {
        "/v1/tenants": tenant,
        "/v1/orders": orders[0].order_id,
        "/v1/alerts": alerts[0].alert_id,
        "/v1/invoices": documents[0].invoice_id,
    }


@asynccontextmanager
async def open_street(addresses: Addresses, **more: Any) -> AsyncIterator[Street]:
    """Everything at work, with three of each object for both firms; `more` are settings of the gateway."""
    async with AsyncExitStack() as stack:
        database, prefix = await stack.enter_async_context(premises(addresses))
        at = (database, addresses.bootstrap, prefix)
        services = [
            build_console(await settings_for(ConsoleSettings, "console", *at)),
            build_billing(await settings_for(BillingSettings, "billing", *at)),
        ]
        console, billing = [
            await stack.enter_async_context(running(service, ManualClock(NOW)))
            for service in services
        ]
        world = await stack.enter_async_context(
            open_world(
                database,
                addresses.bootstrap,
                prefix,
                console_api=console.url,
                billing_api=billing.url,
                **more,
            )
        )
        found = Street(world, console, billing, {})
        for firm in FIRMS:
            await tell_of(found, firm)
        await found.settled()
        yield found
