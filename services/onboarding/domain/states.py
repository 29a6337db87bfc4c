"""Where orders, items, services and tenants stand, and the moves between those states.

Each table says for a state which states may follow. A state without a successor is final.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias, TypeVar

from schemas.tenants import OrderState

StateT = TypeVar("StateT", bound=StrEnum)
Moves: TypeAlias = Mapping[StateT, frozenset[StateT]]


class ItemState(StrEnum):
    """Where an order item stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class ServiceState(StrEnum):
    """Where a service instance stands."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Nobody reaches it; its data stay."""
    ENDED = "ended"
    """Nobody orders anything of it any more; its data are kept until its retention is over."""
    REMOVED = "removed"
    UNDOING = "undoing"
    FAILED = "failed"


class TenantState(StrEnum):
    """Where a tenant stands."""

    ONBOARDING = "onboarding"
    WAITING = "waiting"
    """No reseller fits, or a quota is used up: a person must decide."""
    ACTIVE = "active"


class IllegalMove(RuntimeError):
    """A state was to follow another one that it may not follow: a defect of this program."""


ORDER_MOVES: Moves[OrderState] = {
    OrderState.ACKNOWLEDGED: frozenset(
        {
            OrderState.ACKNOWLEDGED,
            OrderState.HELD,
            OrderState.IN_PROGRESS,
            OrderState.FAILED,
            OrderState.CANCELLED,
        }
    ),
    OrderState.HELD: frozenset(
        {OrderState.HELD, OrderState.ACKNOWLEDGED, OrderState.FAILED, OrderState.CANCELLED}
    ),
    OrderState.IN_PROGRESS: frozenset(
        {
            OrderState.PENDING_CANCELLATION,
            OrderState.COMPLETED,
            OrderState.PARTIAL,
            OrderState.FAILED,
        }
    ),
    OrderState.PENDING_CANCELLATION: frozenset({OrderState.CANCELLED}),
    OrderState.COMPLETED: frozenset(),
    OrderState.PARTIAL: frozenset(),
    OrderState.FAILED: frozenset(),
    OrderState.CANCELLED: frozenset(),
}
ITEM_MOVES: Moves[ItemState] = {
    ItemState.PENDING: frozenset({ItemState.DONE, ItemState.FAILED}),
    ItemState.DONE: frozenset(),
    ItemState.FAILED: frozenset(),
}
SERVICE_MOVES: Moves[ServiceState] = {
    # From step to step it stays in the making.
    ServiceState.PROVISIONING: frozenset(
        {ServiceState.PROVISIONING, ServiceState.ACTIVE, ServiceState.UNDOING}
    ),
    ServiceState.ACTIVE: frozenset({ServiceState.SUSPENDED, ServiceState.ENDED}),
    ServiceState.SUSPENDED: frozenset({ServiceState.ACTIVE, ServiceState.ENDED}),
    ServiceState.ENDED: frozenset({ServiceState.REMOVED}),
    ServiceState.REMOVED: frozenset(),
    ServiceState.UNDOING: frozenset({ServiceState.FAILED}),
    ServiceState.FAILED: frozenset(),
}
TENANT_MOVES: Moves[TenantState] = {
    TenantState.ONBOARDING: frozenset(
        {TenantState.ONBOARDING, TenantState.WAITING, TenantState.ACTIVE}
    ),
    TenantState.WAITING: frozenset({TenantState.WAITING, TenantState.ONBOARDING}),
    TenantState.ACTIVE: frozenset(),
}


def move(moves: Moves[StateT], before: StateT, after: StateT) -> StateT:
    """The state after a move. Raises `IllegalMove` for one that the table does not have."""
    if after not in moves[before]:
        raise IllegalMove(f"{type(before).__name__}: {after} may not follow {before}")
    return after
