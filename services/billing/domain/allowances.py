"""How much of a meter is free: allowances of a service alone, or pooled over all services of a tenant that have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from schemas.catalogue import AllowanceScope, UsagePrice
from services.billing.domain.money import exactly


@dataclass(frozen=True, slots=True)
class MeteredUse:
    """What a service used of a priced meter in a period, and the allowance that it brings."""

    sku: str
    price: UsagePrice
    quantity: Decimal
    included: Decimal


def free_quantities(uses: Sequence[MeteredUse]) -> list[Decimal]:
    """How much is free of each use, in the same order.

    Of a pool, each service takes what it brought itself, and then, in order, what others left. An allowance per ordered
    unit adds to the pool; a flat one is there once for the tenant. No more is taken than was used.
    """
    free = [use.included for use in uses]
    pools: dict[tuple[str, str], list[int]] = {}
    for n, use in enumerate(uses):
        if use.price.included_scope is AllowanceScope.TENANT:
            pools.setdefault((use.sku, use.price.code), []).append(n)
    with exactly():
        for members in pools.values():
            for n, taken in zip(members, _shared([uses[n] for n in members]), strict=True):
                free[n] = taken
    return free


def _shared(uses: Sequence[MeteredUse]) -> list[Decimal]:
    if all(use.price.included_per is not None for use in uses):
        taken = [min(use.quantity, use.included) for use in uses]
        left = sum((use.included for use in uses), Decimal(0)) - sum(taken, Decimal(0))
    else:
        taken = [Decimal(0)] * len(uses)
        left = max(use.included for use in uses)
    for n, use in enumerate(uses):
        more = min(left, use.quantity - taken[n])
        taken[n] += more
        left -= more
    return taken
