"""Price models of metered usage: a quantity becomes charges."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from schemas.catalogue import Plan, PriceModel, Tier, UsagePrice
from services.billing.domain.charges import Charge, ChargeKind, priced, shown
from services.billing.domain.periods import Days


def volume_price(tiers: Sequence[Tier], quantity: Decimal) -> Decimal:
    """The unit price of all units, by the tier that the quantity reaches."""
    return next(tier.price for tier in tiers if tier.up_to is None or quantity <= tier.up_to)


def graduated(tiers: Sequence[Tier], quantity: Decimal) -> list[tuple[Tier, Decimal, Decimal]]:
    """Each unit at the price of the tier it falls in: (tier, where it begins, units in it), empty tiers left out."""
    found, floor = [], Decimal(0)
    for tier in tiers:
        top = quantity if tier.up_to is None else min(quantity, tier.up_to)
        if top > floor:
            found.append((tier, floor, top - floor))
        floor = floor if tier.up_to is None else tier.up_to
    return found


def packages(quantity: Decimal, size: Decimal) -> Decimal:
    """Whole packages, rounded up."""
    return (quantity / size).to_integral_value(ROUND_CEILING)


def usage_charges(
    plan: Plan, price: UsagePrice, quantity: Decimal, included: Decimal, days: Days
) -> list[Charge]:
    """The charges of one meter for one period. `included` units are free; what costs nothing has no line."""
    excess = max(Decimal(0), quantity - included)
    if price.model is PriceModel.GRADUATED:
        return [
            _charge(plan, price, _range(price.label, tier, floor), units, tier.price, days)
            for tier, floor, units in graduated(price.tiers, excess)
            if tier.price != 0
        ]
    if excess == 0:
        return []
    if price.model is PriceModel.PACKAGE:
        assert price.package_size is not None
        assert price.price is not None
        return [
            _charge(
                plan, price, _beyond(price), packages(excess, price.package_size), price.price, days
            )
        ]
    each = volume_price(price.tiers, excess) if price.model is PriceModel.VOLUME else price.price
    assert each is not None
    return [_charge(plan, price, _beyond(price), excess, each, days)] if each != 0 else []


def _range(label: str, tier: Tier, floor: Decimal) -> str:
    if tier.up_to is None:
        return f"{label} oltre {shown(floor)}" if floor else label
    return f"{label} {shown(floor + 1)}-{shown(tier.up_to)}"


def _beyond(price: UsagePrice) -> str:
    """A flat allowance is named; one that depends on ordered units is not, since it changes with them."""
    named = price.included is not None and price.included_per is None
    return f"{price.label} oltre {shown(price.included or Decimal(0))}" if named else price.label


def _charge(
    plan: Plan, price: UsagePrice, description: str, quantity: Decimal, each: Decimal, days: Days
) -> Charge:
    return Charge(
        ChargeKind.USAGE, f"{plan.sku}/{price.code}", price.meter, description, shown(quantity), each, price.unit,
        priced(each, quantity), days, price.commissionable,
    )  # fmt: skip
