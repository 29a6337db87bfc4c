"""Price models of metered usage: a quantity becomes charges."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from schemas.catalogue import Plan, PriceModel, Tier, UsagePrice
from services.billing.domain.charges import Charge, ChargeKind, shown
from services.billing.domain.money import CENT, exactly, half_up, spread
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
    with exactly():
        return (quantity / size).to_integral_value(ROUND_CEILING)


def usage_charges(
    plan: Plan, price: UsagePrice, quantity: Decimal, included: Decimal, days: Days, step: Decimal = CENT
) -> list[Charge]:  # fmt: skip
    """The charges of one meter for one period. `included` units are free; what costs nothing has no line.

    The amount of all of them together is rounded once, to a multiple of `step`.
    """
    excess = max(Decimal(0), quantity - included)
    pieces = [piece for piece in _pieces(price, excess) if piece.units and piece.each]
    with exactly():
        exact = [piece.units * piece.each for piece in pieces]
        nets = spread(exact, half_up(sum(exact, Decimal(0)), step), step)
    return [
        Charge(
            ChargeKind.USAGE, f"{plan.sku}/{price.code}", price.meter, piece.description, shown(piece.units), piece.each,
            price.unit, net, days, price.commissionable,
        )
        for piece, net in zip(pieces, nets, strict=True)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Piece:
    """Units at one price."""

    description: str
    units: Decimal
    each: Decimal


def _pieces(price: UsagePrice, excess: Decimal) -> list[_Piece]:
    if price.model is PriceModel.GRADUATED:
        return [
            _Piece(_range(price.label, tier, floor), units, tier.price)
            for tier, floor, units in graduated(price.tiers, excess)
        ]
    if price.model is PriceModel.VOLUME:
        return [_Piece(_beyond(price), excess, volume_price(price.tiers, excess))]
    assert price.price is not None
    if price.model is PriceModel.PACKAGE:
        assert price.package_size is not None
        excess = packages(excess, price.package_size)
    return [_Piece(_beyond(price), excess, price.price)]


def _range(label: str, tier: Tier, floor: Decimal) -> str:
    if tier.up_to is None:
        return f"{label} oltre {shown(floor)}" if floor else label
    return f"{label} {shown(floor + 1)}-{shown(tier.up_to)}"


def _beyond(price: UsagePrice) -> str:
    """A flat allowance is named; one that depends on ordered units is not, since it changes with them."""
    named = price.included is not None and price.included_per is None
    return f"{price.label} oltre {shown(price.included or Decimal(0))}" if named else price.label
