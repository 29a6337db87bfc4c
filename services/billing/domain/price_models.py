"""Price models: how units become money. One table, for fees and for usage.

Models of layers price each unit by where it lies: one unit more changes nothing for those below it. In the other models it
may change the price of all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from schemas.catalogue import Price, PriceModel, Tier
from services.billing.domain.charges import shown
from services.billing.domain.money import exactly

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Layer:
    """The units above `floor` up to `top` (None: all) cost so much each."""

    floor: Decimal
    top: Decimal | None
    each: Decimal

    def units(self, quantity: Decimal) -> Decimal:
        """How many of a quantity lie in it."""
        reached = quantity if self.top is None else min(quantity, self.top)
        return max(Decimal(0), reached - self.floor)

    def label(self, of: str) -> str:
        """What the SME reads of these units."""
        if self.top is None:
            return f"{of} oltre {shown(self.floor)}" if self.floor else of
        return f"{of} {shown(self.floor + 1)}-{shown(self.top)}"


@dataclass(frozen=True, slots=True)
class PricedUnits:
    """Units at one price. `layer`: of a model of layers, the one they lie in."""

    units: Decimal
    each: Decimal
    layer: Layer | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """How a price of this model is read. Exactly one of its functions is there."""

    layers: Callable[[Price], list[Layer]] | None = None
    whole: Callable[[Price, Decimal], PricedUnits] | None = None


def volume_price(tiers: Sequence[Tier], quantity: Decimal) -> Decimal:
    """The unit price of all units, by the tier that the quantity reaches."""
    return next(tier.price for tier in tiers if tier.up_to is None or quantity <= tier.up_to)


def packages(quantity: Decimal, size: Decimal) -> Decimal:
    """Whole packages, rounded up."""
    with exactly():
        return (quantity / size).to_integral_value(ROUND_CEILING)


def _per_unit(price: Price) -> list[Layer]:
    return [Layer(Decimal(0), None, _price(price))]


def _graduated(price: Price) -> list[Layer]:
    floors = [Decimal(0), *(tier.up_to for tier in price.tiers if tier.up_to is not None)]
    return [
        Layer(floor, tier.up_to, tier.price)
        for floor, tier in zip(floors, price.tiers, strict=True)
    ]


def _percentage(price: Price) -> list[Layer]:
    with exactly():
        return [Layer(Decimal(0), None, _price(price) / HUNDRED)]


def _volume(price: Price, units: Decimal) -> PricedUnits:
    return PricedUnits(units, volume_price(price.tiers, units))


def _package(price: Price, units: Decimal) -> PricedUnits:
    assert price.package_size is not None
    return PricedUnits(packages(units, price.package_size), _price(price))


def _price(price: Price) -> Decimal:
    assert (
        price.price is not None
    )  # the catalogue refuses a price that its model cannot be read without
    return price.price


MODELS: Mapping[PriceModel, Model] = {
    PriceModel.PER_UNIT: Model(layers=_per_unit),
    PriceModel.GRADUATED: Model(layers=_graduated),
    PriceModel.VOLUME: Model(whole=_volume),
    PriceModel.PACKAGE: Model(whole=_package),
    PriceModel.PERCENTAGE: Model(layers=_percentage),
}


def layers_of(price: Price) -> list[Layer] | None:
    """The layers of a price; None when its model has none."""
    layers = MODELS[price.model].layers
    return layers(price) if layers else None


def parts_of(price: Price, quantity: Decimal) -> list[PricedUnits]:
    """A quantity, cut into units at one price each. Parts without units are left out."""
    model = MODELS[price.model]
    if model.layers is None:
        assert model.whole is not None
        found = [model.whole(price, quantity)]
    else:
        found = [
            PricedUnits(layer.units(quantity), layer.each, layer) for layer in model.layers(price)
        ]
    return [part for part in found if part.units]


def amount_of(price: Price, quantity: Decimal) -> Decimal:
    """What a quantity costs, exactly."""
    with exactly():
        return sum((part.units * part.each for part in parts_of(price, quantity)), Decimal(0))
