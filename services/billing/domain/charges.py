"""A charge: a ledger row, priced. Invoice lines are charges with a number; nothing is ever recomputed from a line."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.billing.domain.money import (
    QUANTITY_STEP,
    UNIT_PRICE_STEP,
    exactly,
    half_up,
    share,
    tidy,
)
from services.billing.domain.periods import Days


class ChargeKind(StrEnum):
    """What a charge is for."""

    SETUP = "setup"
    RECURRING = "recurring"
    USAGE = "usage"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Charge:
    """What is owed for something over some days. `quantity` is never negative: a credit has a negative price."""

    kind: ChargeKind
    component: str
    """`SKU/code`, as documents show it."""
    meter: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    unit: str | None
    net: Decimal
    days: Days
    commissionable: bool
    units_billed: Decimal = Decimal(0)
    """Recurring charges: the units (negative for a credit) by which the billed quantity of each of these days changes."""
    cap: str | None = None
    """Usage: the component of the cap that bounds it; what one cap bounds is settled together. A cap
    on the tenant's whole month comes before one of the service."""


def prorated(price: Decimal, quantity: Decimal, part: int, whole: int) -> tuple[Decimal, Decimal]:
    """Unit price (8 decimals) and exact amount of `quantity` units for `part` of `whole` days.

    The amount comes from the exact product, not from the rounded unit price (domain rule: price x quantity x days / days).
    """
    unit_price = price if part == whole else half_up(share(price, part, whole), UNIT_PRICE_STEP)
    with exactly():
        return unit_price, share(price * quantity, part, whole)


def shown(quantity: Decimal) -> Decimal:
    """A quantity as a document shows it: to 8 decimals at most."""
    return tidy(half_up(quantity, QUANTITY_STEP))
