"""Explain a document: behind each line its charge, the price as it was sold, and what was ordered or used of it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from schemas.catalogue import Plan, Price
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.agreed_prices import agreed_or_sold
from services.billing.domain.charges import ChargeKind
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.money import tidy
from services.billing.domain.periods import Days, month_of
from services.billing.domain.quantities import timeline
from services.billing.domain.recurring import component
from services.billing.domain.tenant_caps import TENANT_CAP, tenant_caps_of
from services.billing.metering.adding import counted_by
from services.billing.metering.knowledge import MeteringKnowledge
from services.billing.metering.reading import days, events
from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown, UsageQuery, query_usage
from services.chassis.database import Connection
from services.chassis.store import collect

EVENTS_MAX = 1_000
"""Raw events that are listed with a line; all of them are counted."""


async def explain_invoice(db: Connection, name: str, n: int | None = None) -> dict[str, Any]:
    """A document, by its id or number: its charges, and its lines or one of them, with what is behind them.

    The raw events of a line of usage are returned when that line alone is asked for. Raises `NotKnown`.
    """
    invoice = await sql.invoice(db, name=name)
    if invoice is None:
        raise NotKnown("no such invoice")
    charges = await collect(sql.charges_of(db, invoice_id=invoice["id"]))
    lines = invoice["document"]["lines"]
    wanted = [n] if n is not None else [line["n"] for line in lines]
    if n is not None and not 1 <= n <= len(lines):
        raise NotKnown(f"the document has lines 1 to {len(lines)}")
    tenant = await store.tenant(db, invoice["tenant_id"])
    assert tenant is not None
    services = {service.id: service for service in await store.services(db, tenant.id)}
    explained = []
    for k in wanted:
        charge = charges[k - 1]  # lines are made of charges, one each, in this order
        service = services[charge["service_id"]]
        behind = await _behind(db, tenant, service, charge, with_events=n is not None)
        explained.append({**lines[k - 1], "charge": _shown(charge), **behind})
    return {
        "invoice_id": invoice["id"], "number": invoice["number"], "tenant_id": tenant.id,
        "charges": [_shown(charge) for charge in charges], "lines": explained,
    }  # fmt: skip


async def _behind(
    db: Connection, tenant: BilledTenant, service: BilledService, charge: asyncpg.Record, *, with_events: bool
) -> dict[str, Any]:  # fmt: skip
    kind = ChargeKind(charge["kind"])
    if kind is ChargeKind.SETUP:
        return {"price": {"setup": plain(service.plan.setup)}}
    if kind is ChargeKind.CAP:
        return {"cap": await _cap(db, tenant, service, charge)}
    prices: Sequence[Price] = (
        service.plan.recurring if kind is ChargeKind.RECURRING else service.plan.usage
    )
    price = _sold(service.plan, prices, charge)
    shown = {}
    if price is not None:
        agreed = await store.agreed_prices(db, tenant.id, store.ALWAYS)
        first = month_of(charge["day_from"]).start
        price = agreed_or_sold(service.plan.sku, price, agreed, first)
        shown = {"price": price.model_dump(mode="json")}
    if kind is ChargeKind.RECURRING:
        span = Days(charge["day_from"], charge["day_to"])
        return {**shown, "ordered": await _ordered(db, tenant, service, charge["meter"], span)}
    month = month_of(charge["day_from"])
    return {**shown, **await _used(db, tenant, service, charge["meter"], month, with_events)}


def _sold(plan: Plan, prices: Sequence[Price], charge: asyncpg.Record) -> Price | None:
    """The price of a charge; None for a component that the plan does not have."""
    return next((price for price in prices if component(plan, price) == charge["component"]), None)


async def _ordered(
    db: Connection, tenant: BilledTenant, service: BilledService, name: str, span: Days
) -> list[dict[str, Any]]:
    """What was ordered of a component on some days, as it is known now: from which day, how much."""
    facts = (await store.quantity_facts(db, [store.AsOf(service.id)]))[service.id]
    found: dict[date, Decimal] = {}
    for change in timeline(facts, service.activated_at, tenant.zone):
        if change.day < span.end:
            quantity = change.quantities.get(name, Decimal(0))
            found[max(change.day, span.start)] = quantity
    return [{"from": day, "quantity": plain(tidy(quantity))} for day, quantity in found.items()]


async def _used(
    db: Connection, tenant: BilledTenant, service: BilledService, meter: str, month: Days, with_events: bool
) -> dict[str, Any]:  # fmt: skip
    """What a meter says of a month now: whole, by day and, if asked, from which events."""
    whole = UsageQuery(month.start, month.end, meter)
    by_day = UsageQuery(month.start, month.end, meter, "day")
    total = [row for row in await query_usage(db, tenant.id, whole) if row["service_id"] == service.id]  # fmt: skip
    daily = [row for row in await query_usage(db, tenant.id, by_day) if row["service_id"] == service.id]  # fmt: skip
    found = {
        "used": total[0]["quantity"] if total else "0",
        "days": [{"from": row["from"], "quantity": row["quantity"]} for row in daily],
    }
    return found | await _events(db, tenant, service, meter, month) if with_events else found


async def _events(
    db: Connection, tenant: BilledTenant, service: BilledService, meter: str, month: Days
) -> dict[str, Any]:
    """The raw events of a service that a meter counted in a month: how many are kept, and the first of them."""
    knowledge = MeteringKnowledge()
    await knowledge.refresh(db)
    known = await knowledge.services(db, {service.id})
    span = days(month.start, month.end, tenant.zone)
    found = [
        event
        async for arrivals, _ in events(db, {tenant.no: span})
        for event in counted_by(
            meter, [one for one in arrivals if one.said.service_id == service.id], known, knowledge.meters
        )
    ]  # fmt: skip
    found.sort(key=lambda event: (event.at, event.key))
    return {
        "event_count": len(found),
        "events": [msgspec.json.decode(event.raw) for event in found[:EVENTS_MAX]],
    }


async def _cap(
    db: Connection, tenant: BilledTenant, service: BilledService, charge: asyncpg.Record
) -> dict[str, Any]:
    """The cap of a month that a charge keeps to, as it is known now."""
    month = charge["day_from"]
    if charge["meter"] == TENANT_CAP:
        whole = tenant_caps_of(await store.tenant_caps(db, tenant.id, store.ALWAYS), month)
        bound = whole.get(service.currency)
        allowed = plain(bound.amount_of(month)) if bound else None
        return {"of": "fees and usage of the tenant", "amount": allowed}
    meters = charge["meter"].split("+")
    told = await store.caps(db, tenant.id, store.ALWAYS)
    bounds = [
        cap for cap in told
        if cap.service_id == charge["service_id"] and list(cap.meters) == meters and cap.since <= month
    ]  # fmt: skip
    amount = bounds[-1].amount_of(month) if bounds else None
    return {"meters": meters, "amount": None if amount is None else plain(amount)}


def _shown(charge: asyncpg.Record) -> dict[str, str]:
    return {name: str(value) for name, value in charge.items()}
