"""Spending caps: what the usage of some meters of a service may cost in a civil month, net of IVA.

A hard cap takes what goes beyond it off the bill, as a line of its own, whatever comes late. A soft one is only told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from schemas.catalogue import Plan
from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.periods import Days

NOTICES = (50, 80, 100)
"""Per cent of a cap at which it is reported."""


@dataclass(frozen=True, slots=True)
class Cap:
    """What the meters of a service may cost in each month from `since` on; no amount: the cap is lifted."""

    service_id: str
    meters: tuple[str, ...]
    since: date
    amount: Decimal | None
    is_hard: bool
    spent: Decimal
    """In the month of `since`, when the cap was set: what is spent already is owed, below a lower cap too."""

    def amount_of(self, month: date) -> Decimal | None:
        """What it allows in the month that begins on a day."""
        if self.amount is None:
            return None
        return max(self.amount, self.spent) if month == self.since else self.amount


def in_force(told: Sequence[Cap], month: date) -> list[Cap]:
    """The caps of a month. `caps` are in the order of arrival; for the same meters, the last one that has begun counts."""
    last: dict[tuple[str, tuple[str, ...]], Cap] = {}
    for cap in sorted((cap for cap in told if cap.since <= month), key=lambda cap: cap.since):
        last[cap.service_id, cap.meters] = cap
    return [cap for cap in last.values() if cap.amount is not None]


def component_of(plan: Plan) -> str:
    """What a cap is called on documents."""
    return f"{plan.sku}/cap"


def beyond(cap: Cap, spent: Decimal, month: date) -> Decimal:
    """What a hard cap takes off a month whose meters come to `spent`: 0 or more."""
    allowed = cap.amount_of(month)
    return Decimal(0) if allowed is None or not cap.is_hard else max(Decimal(0), spent - allowed)


def cap_charge(plan: Plan, cap: Cap, spent: Decimal, billed: Decimal, month: Days) -> Charge | None:
    """What a hard cap takes off a month whose meters come to `spent`, less what it took off (`billed`) already."""
    due = -beyond(cap, spent, month.start) - billed
    if not cap.is_hard or due == 0:
        return None
    prices = [price for price in plan.usage if price.meter in cap.meters]
    return Charge(
        ChargeKind.CAP, component_of(plan), "+".join(cap.meters), f"Tetto di spesa - {', '.join(p.label for p in prices)}",
        Decimal(1), due, None, due, month, all(price.commissionable for price in prices), cap=component_of(plan),
    )  # fmt: skip


def still_reached(allowed: Decimal | None, spent: Decimal) -> list[int]:
    """The notices that hold for a cap that was changed. The others are due again when it comes to them."""
    return [] if allowed is None else reached(allowed, spent)


def reached(allowed: Decimal, spent: Decimal) -> list[int]:
    """The notices that are due when so much of a cap is spent."""
    return [percent for percent in NOTICES if spent * 100 >= allowed * percent and spent > 0]
