"""What an order asks for, checked against the catalogue, and what state it is in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from schemas.catalogue import Plan
from schemas.orders import ItemAction
from schemas.quantities import BASE, QuantityFault, quantity_faults
from schemas.reasons import Reason
from schemas.tenants import OrderState
from services.onboarding.domain.model import Item, ServiceInstance
from services.onboarding.domain.states import ItemState

REASONS = {
    QuantityFault.NOT_SOLD: Reason.UNKNOWN_QUANTITY,
    QuantityFault.NOT_WHOLE: Reason.QUANTITY_NOT_WHOLE,
    QuantityFault.NOT_ONE_BASE: Reason.QUANTITY_FIXED,
}


class OrderFault(ValueError):
    """An order asks for what cannot be done. `reason` is a stable code."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason, self.explanation = reason, explanation


@dataclass(frozen=True, slots=True)
class Sellable:
    """The plans in force, by SKU."""

    plans: Mapping[str, Plan]

    def plan(self, sku: str) -> Plan:
        """The plan of a SKU. Raises `OrderFault` (`unknown_sku`)."""
        if sku not in self.plans:
            raise OrderFault(Reason.UNKNOWN_SKU, f"{sku} is not in the catalogue")
        return self.plans[sku]


def quantities(
    plan: Plan, ordered: Mapping[str, Decimal], before: Mapping[str, Decimal] | None = None
) -> dict[str, Decimal]:
    """All recurring quantities of a service instance after an order.

    `base` is always 1; a component that is not mentioned stays as it was, or is 0. Raises `OrderFault`:
    `unknown_quantity` for what the plan does not sell, `quantity_not_whole`, `quantity_fixed` for a base other than 1.
    """
    sold = [price.meter for price in plan.recurring]
    for component, fault in quantity_faults(sold, ordered):
        raise OrderFault(REASONS[fault], f"{plan.sku}, {component}: {fault}")
    after = {**(before or {}), **ordered}
    result = {
        component: after.get(component, Decimal(0)).quantize(Decimal(1)) for component in sold
    }
    return result | ({BASE: Decimal(1)} if BASE in sold else {})


def settled(order: OrderState, items: Iterable[ItemState]) -> OrderState | None:
    """What an order has come to; None while an item is pending. Some done and some failed: `partial`.

    Of one that is being cancelled no item is done: it ends as `cancelled`.
    """
    states = set(items)
    if ItemState.PENDING in states:
        return None
    if ItemState.FAILED not in states:
        return OrderState.COMPLETED
    if order is OrderState.PENDING_CANCELLATION:
        return OrderState.CANCELLED
    return OrderState.PARTIAL if ItemState.DONE in states else OrderState.FAILED


def item_that_makes(service: ServiceInstance, items: Iterable[Item]) -> Item:
    """The item of its order that a service instance comes from."""
    return next(
        item for item in items if item.service_id == service.id and item.action is ItemAction.ADD
    )


Asked = tuple[str, str | None, str | None, tuple[tuple[str, Decimal], ...]]


def asked(
    action: str, sku: str | None, service_id: str | None, ordered: Mapping[str, Decimal]
) -> Asked:
    """What one item asks for, whatever order it is in: an added service has no id yet, and one base anyway."""
    adds = action == ItemAction.ADD
    said = {
        meter: n
        for meter, n in ordered.items()
        if not adds or (n != 0 and (meter, n) != (BASE, Decimal(1)))
    }
    return action, sku, None if adds else service_id, tuple(sorted(said.items()))


def same_items(one: Iterable[Asked], other: Iterable[Asked]) -> bool:
    """Whether two orders ask for the same, in whatever sequence."""
    return Counter(one) == Counter(other)
