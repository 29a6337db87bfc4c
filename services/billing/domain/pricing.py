"""Prices of metered usage: a quantity becomes charges."""

from decimal import Decimal

from schemas.catalogue import Plan, UsagePrice
from services.billing.domain.charges import Charge, ChargeKind, shown
from services.billing.domain.money import CENT, exactly, half_up, share, spread
from services.billing.domain.periods import Days
from services.billing.domain.price_models import PricedUnits, parts_of


def usage_charges(
    plan: Plan, price: UsagePrice, quantity: Decimal, included: Decimal, days: Days, step: Decimal = CENT,
    served: int | None = None,
) -> list[Charge]:  # fmt: skip
    """The charges of one meter for one period. `included` units are free; what costs nothing has no line.

    The amount of all of them together is rounded once, to a multiple of `step`. Then it is brought to the price's minimum, by
    the share of the days on which the service `served` (None: all of them), and to its maximum.
    """
    excess = max(Decimal(0), quantity - included)
    parts = [part for part in parts_of(price, excess) if part.each]
    with exactly():
        exact = [part.units * part.each for part in parts]
        nets = spread(exact, half_up(sum(exact, Decimal(0)), step), step)
    charges = [
        Charge(
            ChargeKind.USAGE, f"{plan.sku}/{price.code}", price.meter, _describe(price, part), shown(part.units), part.each,
            price.unit, net, days, price.commissionable,
        )
        for part, net in zip(parts, nets, strict=True)
    ]  # fmt: skip
    amount = sum(nets, Decimal(0))
    if price.maximum is not None and amount > price.maximum:
        return [_lump(plan, price, "importo massimo", price.maximum, days)]
    least = _minimum(price, days, step, len(days) if served is None else served)
    if amount < least:
        return [*charges, _lump(plan, price, "integrazione al minimo", least - amount, days)]
    return charges


def _minimum(price: UsagePrice, days: Days, step: Decimal, served: int) -> Decimal:
    if price.minimum is None:
        return Decimal(0)
    with exactly():
        return half_up(share(price.minimum, served, len(days)), step)


def _lump(plan: Plan, price: UsagePrice, what: str, amount: Decimal, days: Days) -> Charge:
    return Charge(
        ChargeKind.USAGE, f"{plan.sku}/{price.code}", price.meter, f"{price.label} - {what}", Decimal(1), amount,
        None, amount, days, price.commissionable,
    )  # fmt: skip


def _describe(price: UsagePrice, part: PricedUnits) -> str:
    return part.layer.label(price.label) if part.layer and price.tiers else _beyond(price)


def _beyond(price: UsagePrice) -> str:
    """A flat allowance is named; one that depends on ordered units is not, since it changes with them."""
    named = price.included is not None and price.included_per is None
    return f"{price.label} oltre {shown(price.included or Decimal(0))}" if named else price.label
