"""Caps on the whole month of a tenant: what its recurring fees and all its usage may cost together, net of IVA.

Only usage comes off. What goes beyond a hard cap is shared over the services by what their usage comes to, each share a
line of its own: a reseller loses the commission of its part, no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from schemas.catalogue import Plan
from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.money import half_up, share
from services.billing.domain.periods import Days

TENANT_CAP = "tenant-cap"
"""What these caps are called on documents, behind the SKU. All usage of a tenant's month is settled together."""


@dataclass(frozen=True, slots=True)
class TenantCap:
    """What a tenant's services of a currency may cost in each month from `since` on; no amount: the cap is lifted."""

    currency: str
    since: date
    amount: Decimal | None
    is_hard: bool
    spent: Decimal
    """In the month of `since`, when the cap was set: what is spent already is owed, below a lower cap too."""

    def amount_of(self, month: date) -> Decimal:
        """What it allows in the month that begins on a day. It is not lifted."""
        assert self.amount is not None
        return max(self.amount, self.spent) if month == self.since else self.amount


def tenant_caps_of(told: Sequence[TenantCap], month: date) -> dict[str, TenantCap]:
    """The caps of a month by currency. `told` is in the order of arrival; the last one that has begun counts."""
    last: dict[str, TenantCap] = {}
    for cap in sorted((cap for cap in told if cap.since <= month), key=lambda cap: cap.since):
        last[cap.currency] = cap
    return {currency: cap for currency, cap in last.items() if cap.amount is not None}


def taken_off(
    cap: TenantCap, month: date, fees: Decimal, usage: Mapping[str, Decimal], step: Decimal
) -> dict[str, Decimal]:
    """What a hard cap takes off the usage of each service (0 or less), when the month's fees come to `fees`.

    Shares are rounded by what they come to so far: they sum to the whole, and none is more than its usage.
    """
    whole = sum(usage.values(), Decimal(0))
    allowed = max(Decimal(0), cap.amount_of(month) - fees)
    beyond = max(Decimal(0), whole - allowed) if cap.is_hard else Decimal(0)
    found, so_far, taken = {}, Decimal(0), Decimal(0)
    for service_id, amount in usage.items():
        so_far += amount
        by_now = half_up(share(beyond, so_far, whole), step) if beyond else Decimal(0)
        found[service_id], taken = taken - by_now, by_now
    return found


def tenant_component_of(plan: Plan) -> str:
    """What a service's share is called on documents."""
    return f"{plan.sku}/{TENANT_CAP}"


def tenant_cap_charge(plan: Plan, wanted: Decimal, billed: Decimal, month: Days) -> Charge | None:
    """What brings a service's share from what was taken off (`billed`) to what is to be taken off."""
    due = wanted - billed
    if due == 0:
        return None
    return Charge(
        ChargeKind.CAP, tenant_component_of(plan), TENANT_CAP, f"Tetto di spesa complessivo - {plan.name}", Decimal(1), due,
        None, due, month, all(price.commissionable for price in plan.usage), cap=TENANT_CAP,
    )  # fmt: skip
