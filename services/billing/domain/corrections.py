"""What a month's usage comes to now, less what was billed of it: late usage, a rebuilt meter, a pool that changed.

The amount of a component and month is rounded once, so what is due is exactly the new amount less all that was billed.
It is shown as units at their prices where that explains it, else as one amount.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from schemas.catalogue import Plan, Price
from services.billing.domain.charges import Charge, ChargeKind, shown
from services.billing.domain.money import CENT, exactly, spread
from services.billing.domain.periods import Days

ADJUSTMENT = "conguaglio"
"""What the SME reads on a line that adjusts a month that was billed."""


@dataclass(frozen=True, slots=True)
class BilledUse:
    """A line of usage in the ledger. What was given back has a negative price."""

    quantity: Decimal
    unit_price: Decimal
    net: Decimal


def corrections(
    plan: Plan, price: Price, wanted: Sequence[Charge], billed: Sequence[BilledUse], days: Days, step: Decimal = CENT
) -> list[Charge]:  # fmt: skip
    """The charges that bring a component and month from what was billed to what is `wanted`."""
    if not billed:
        return list(wanted)
    due = _sum(charge.net for charge in wanted) - _sum(row.net for row in billed)
    if due == 0:
        return []
    whole = Charge(
        ChargeKind.USAGE, f"{plan.sku}/{price.code}", price.meter, f"{price.label} - {ADJUSTMENT}", Decimal(1), due,
        price.unit, due, days, price.commissionable,
    )  # fmt: skip
    pieces = _pieces(wanted, billed)
    exact = [units * each for each, units in pieces]
    nets = spread(exact, due, step)
    mixed = any(amount < 0 for amount in exact) and any(amount > 0 for amount in exact)
    if not pieces or _sum(nets) != due or (due < 0 and mixed):
        return [whole]
    names = {charge.unit_price: charge.description for charge in wanted}
    return [
        replace(
            whole, description=f"{names.get(each, price.label)} - {ADJUSTMENT}", quantity=shown(abs(units)),
            unit_price=each if units > 0 else -each, net=net,
        )
        for (each, units), net in zip(pieces, nets, strict=True)
    ]  # fmt: skip


def _pieces(wanted: Sequence[Charge], billed: Sequence[BilledUse]) -> list[tuple[Decimal, Decimal]]:
    """By unit price, how many units more (negative: fewer) are wanted than were billed; in the order of the document."""
    units: dict[Decimal, Decimal] = {}
    with exactly():
        for charge in wanted:
            units[charge.unit_price] = units.get(charge.unit_price, Decimal(0)) + charge.quantity
        for row in billed:
            sign = 1 if row.unit_price > 0 else -1
            each = abs(row.unit_price)
            units[each] = units.get(each, Decimal(0)) - sign * row.quantity
    return [(each, more) for each, more in units.items() if more]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
