"""Onboarding's statements (`queries.sql`), typed. A state changes only by the moves of `domain/states.py`."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import asyncpg

from schemas.catalogue import Place, Plan, ResellerProfile
from schemas.identity import SPENDING_CAP
from schemas.orders import ItemAction
from schemas.scalars import plain
from schemas.tenants import OrderState
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect
from services.onboarding.domain.model import Item, Order, ServiceInstance, Tenant
from services.onboarding.domain.states import (
    ITEM_MOVES,
    ORDER_MOVES,
    SERVICE_MOVES,
    TENANT_MOVES,
    ItemState,
    ServiceState,
    TenantState,
    move,
)

sql = load_queries(Path(__file__).parent / "queries.sql")


def to_json(quantities: Mapping[str, Decimal]) -> dict[str, str]:
    """Quantities as they are kept: decimal strings."""
    return {meter: plain(quantity) for meter, quantity in quantities.items()}


def from_json(quantities: Mapping[str, str]) -> dict[str, Decimal]:
    """Quantities as they are reckoned with."""
    return {meter: Decimal(quantity) for meter, quantity in quantities.items()}


# -- tenants -----------------------------------------------------------------------------------------------------------


async def lock_tenant(db: Connection, tenant_id: str) -> Tenant | None:
    """A tenant, held for this transaction."""
    row = await sql.lock_tenant(db, id=tenant_id)
    if row is None:
        return None
    known = dict(row) | {
        "place": Place.model_validate(row["place"]),
        "state": TenantState(row["state"]),
    }
    return Tenant(**known)


async def tenant_at_hand(db: Connection, tenant_id: str) -> Tenant:
    """A tenant that there must be, held for this transaction. Raises `LookupError`."""
    if (tenant := await lock_tenant(db, tenant_id)) is None:
        raise LookupError(f"there is no tenant {tenant_id}")
    return tenant


async def move_tenant(db: Connection, tenant: Tenant, to: TenantState) -> None:
    """Where a tenant stands now. Raises `IllegalMove`."""
    await sql.set_tenant_state(db, id=tenant.id, state=move(TENANT_MOVES, tenant.state, to))


# -- orders ------------------------------------------------------------------------------------------------------------


def _order(row: asyncpg.Record) -> Order:
    return Order(**dict(row) | {"state": OrderState(row["state"])})


async def add_order(db: Connection, order: Order) -> None:
    """Keep an order."""
    await sql.add_order(
        db, id=order.id, tenant_id=order.tenant_id, reference=order.reference, state=order.state,
        effective_at=order.effective_at, accepted_at=order.accepted_at, revision=order.revision,
        principal=order.principal, judged_for=order.judged_for, preferred=order.preferred,
    )  # fmt: skip


async def lock_order(db: Connection, order_id: str) -> Order | None:
    """An order, held for this transaction."""
    row = await sql.lock_order(db, id=order_id)
    return None if row is None else _order(row)


async def order_at_hand(db: Connection, order_id: str) -> Order:
    """An order that there must be, held for this transaction. Raises `LookupError`."""
    if (order := await lock_order(db, order_id)) is None:
        raise LookupError(f"there is no order {order_id}")
    return order


async def references(db: Connection, ids: Collection[str]) -> dict[str, tuple[str, str | None]]:
    """Reference and sender of those of these orders that are there."""
    found = await collect(sql.orders_among(db, ids=list(ids)))
    return {row["id"]: (row["reference"], row["principal"]) for row in found}


async def open_orders(db: Connection, tenant_id: str) -> list[Order]:
    """A tenant's orders that wait to be worked on, the oldest first, held for this transaction."""
    return [_order(row) for row in await collect(sql.open_orders(db, tenant_id=tenant_id))]


async def held_orders(db: Connection, tenant_id: str) -> list[Order]:
    """A firm's orders that wait for a person, the oldest first, held for this transaction."""
    return [_order(row) for row in await collect(sql.held_orders(db, tenant_id=tenant_id))]


async def move_order(db: Connection, order: Order, to: OrderState) -> None:
    """Where an order stands now. Raises `IllegalMove`."""
    await sql.set_order_state(db, id=order.id, state=move(ORDER_MOVES, order.state, to))


async def items(db: Connection, order_id: str) -> list[Item]:
    """The items of an order, in order."""
    return [
        Item(
            row["n"], ItemAction(row["action"]), row["sku"], row["service_id"], from_json(row["quantities"]),
            ItemState(row["state"]), row["fault"], row["begins_at"],
        )
        for row in await collect(sql.items(db, order_id=order_id))
    ]  # fmt: skip


async def item_at_hand(db: Connection, order_id: str, n: int) -> Item:
    """An item that there must be. Raises `LookupError`."""
    for item in await items(db, order_id):
        if item.n == n:
            return item
    raise LookupError(f"order {order_id} has no item {n}")


async def is_cancelled(db: Connection, order_id: str) -> bool:
    """Whether what back-ends did for an order is to be taken back."""
    state = await sql.state_of_order(db, id=order_id)
    return OrderState(state) is OrderState.PENDING_CANCELLATION


async def end_item(
    db: Connection, order_id: str, item: Item, to: ItemState, fault: str | None
) -> None:
    """An item is done, or has failed. Raises `IllegalMove`."""
    await sql.settle_item(
        db, order_id=order_id, n=item.n, state=move(ITEM_MOVES, item.state, to), fault=fault
    )


async def due_items(db: Connection, service_id: str, at: datetime) -> list[tuple[str, int]]:
    """Order and number of the items of a service instance whose time has come, in the order to begin with them."""
    found = await collect(sql.due_items(db, service_id=service_id, at=at))
    return [(row["order_id"], row["n"]) for row in found]


# -- service instances -------------------------------------------------------------------------------------------------


def _service(row: asyncpg.Record) -> ServiceInstance:
    known = {
        "quantities": from_json(row["quantities"]),
        "plan": Plan.model_validate(row["plan"]),
        "state": ServiceState(row["state"]),
    }
    return ServiceInstance(**dict(row) | known)


async def service(db: Connection, service_id: str) -> ServiceInstance | None:
    """A service instance."""
    row = await sql.service(db, id=service_id)
    return None if row is None else _service(row)


async def service_at_hand(db: Connection, service_id: str) -> ServiceInstance:
    """A service instance that there must be. Raises `LookupError`."""
    if (found := await service(db, service_id)) is None:
        raise LookupError(f"there is no service instance {service_id}")
    return found


async def lock_service(db: Connection, service_id: str) -> ServiceInstance:
    """A service instance that there must be, held for this transaction. Raises `LookupError`."""
    if (row := await sql.lock_service(db, id=service_id)) is None:
        raise LookupError(f"there is no service instance {service_id}")
    return _service(row)


async def services_that_serve(db: Connection, tenant_id: str) -> list[ServiceInstance]:
    """A tenant's active service instances."""
    return [
        _service(row) for row in await collect(sql.services_that_serve(db, tenant_id=tenant_id))
    ]


async def services_unbounded(db: Connection, tenant_id: str) -> list[ServiceInstance]:
    """A tenant's services that a cap suspended, or is about to, and that no reached cap bounds any more."""
    rows = sql.services_unbounded(db, tenant_id=tenant_id, who=SPENDING_CAP)
    return [_service(row) for row in await collect(rows)]


async def move_service(
    db: Connection,
    instance: ServiceInstance,
    to: ServiceState,
    steps_done: int,
    at: datetime | None = None,
) -> None:
    """Where a service instance stands now, and how many steps of its plan are made. Raises `IllegalMove`.

    `at` says when, of one that is to be undone.
    """
    state = move(SERVICE_MOVES, instance.state, to)
    await sql.set_service(
        db, id=instance.id, state=state, steps_done=steps_done, undone_from=at
    )  # fmt: skip


async def end_service(
    db: Connection, instance: ServiceInstance, order: Order, retained_until: datetime
) -> None:
    """A service instance has ended by an order, from the instant on at which that takes effect. Raises `IllegalMove`."""
    move(SERVICE_MOVES, instance.state, ServiceState.ENDED)
    await sql.end_service(
        db, id=instance.id, ended_at=order.effective_at, ended_by=order.id, retained_until=retained_until,
    )  # fmt: skip


async def remove_service(db: Connection, instance: ServiceInstance) -> tuple[datetime, str]:
    """Nothing is left of a service instance; says when it had ended, and by which order. Raises `IllegalMove`."""
    move(SERVICE_MOVES, instance.state, ServiceState.REMOVED)
    row = await sql.remove_service(db, id=instance.id)
    return row["ended_at"], row["ended_by"]


async def active_services(db: Connection, order_id: str) -> tuple[str, ...]:
    """The service instances that an order made."""
    return tuple(row["id"] for row in await collect(sql.active_services(db, order_id=order_id)))


# -- catalogue ---------------------------------------------------------------------------------------------------------


async def plans(db: Connection) -> dict[str, Plan]:
    """The plans in force, by SKU."""
    found = [Plan.model_validate(row["plan"]) for row in await collect(sql.plans(db))]
    return {plan.sku: plan for plan in found}


async def resellers(db: Connection) -> list[ResellerProfile]:
    """All resellers, with the tenants they serve now."""
    found = await collect(sql.resellers(db))
    return [
        ResellerProfile.model_validate({**row["profile"], "active": row["active"]}) for row in found
    ]


async def take_capacity(db: Connection, reseller_id: str) -> bool:
    """Take one place at a reseller; False when there is none left."""
    return await sql.take_capacity(db, id=reseller_id) is not None


async def ordered_skus(db: Connection, tenant_id: str) -> frozenset[str]:
    """The SKUs a tenant's reseller must be certified for."""
    return frozenset(row["sku"] for row in await collect(sql.ordered_skus(db, tenant_id=tenant_id)))
