"""Onboarding's statements (`queries.sql`), typed."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import asyncpg

from schemas.catalogue import Plan, ResellerProfile
from schemas.scalars import plain
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect

sql = load_queries(Path(__file__).parent / "queries.sql")


def to_json(quantities: Mapping[str, Decimal]) -> dict[str, str]:
    """Quantities as they are kept: decimal strings."""
    return {meter: plain(quantity) for meter, quantity in quantities.items()}


def from_json(quantities: Mapping[str, str]) -> dict[str, Decimal]:
    """Quantities as they are reckoned with."""
    return {meter: Decimal(quantity) for meter, quantity in quantities.items()}


async def plans(db: Connection) -> dict[str, Plan]:
    """The plans in force, by SKU."""
    found = [Plan.model_validate(row["plan"]) for row in await collect(sql.plans(db))]
    return {plan.sku: plan for plan in found}


async def resellers(db: Connection) -> list[ResellerProfile]:
    """All resellers, with the tenants they serve now."""
    found = await collect(sql.resellers(db))
    return [ResellerProfile.model_validate({**row["profile"], "active": row["active"]}) for row in found]


async def take_capacity(db: Connection, reseller_id: str) -> bool:
    """Take one place at a reseller; False when there is none left."""
    return await sql.take_capacity(db, id=reseller_id) is not None


async def items(db: Connection, order_id: str) -> list[asyncpg.Record]:
    """The items of an order, in order."""
    return await collect(sql.items(db, order_id=order_id))


async def open_orders(db: Connection, tenant_id: str) -> list[asyncpg.Record]:
    """A tenant's orders that wait to be worked on."""
    return await collect(sql.open_orders(db, tenant_id=tenant_id))


async def ordered_skus(db: Connection, tenant_id: str) -> frozenset[str]:
    """The SKUs a tenant's reseller must be certified for."""
    return frozenset(row["sku"] for row in await collect(sql.ordered_skus(db, tenant_id=tenant_id)))


async def active_services(db: Connection, order_id: str) -> tuple[str, ...]:
    """The service instances that an order made."""
    return tuple(row["id"] for row in await collect(sql.active_services(db, order_id=order_id)))


async def add_order(
    db: Connection, order_id: str, tenant_id: str, reference: str, state: str, effective_at: datetime,
    accepted_at: datetime, revision: int, principal: str | None, judged_for: str | None,
) -> None:  # fmt: skip
    """Keep an order."""
    await sql.add_order(
        db, id=order_id, tenant_id=tenant_id, reference=reference, state=state, effective_at=effective_at,
        accepted_at=accepted_at, revision=revision, principal=principal, judged_for=judged_for,
    )  # fmt: skip


async def held_orders(db: Connection, tenant_id: str) -> list[asyncpg.Record]:
    """A firm's orders that wait for a person."""
    return await collect(sql.held_orders(db, tenant_id=tenant_id))
