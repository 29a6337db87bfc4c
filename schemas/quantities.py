"""What may be ordered of a plan: one rule for the gateway's door and for onboarding behind it."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

BASE = "base"
"""The component that every service instance has exactly once."""


class QuantityFault(StrEnum):
    """Why a quantity cannot be ordered, as a sentence goes on after its component's name."""

    NOT_SOLD = "not sold by this plan"
    NOT_WHOLE = "ordered in whole units"
    NOT_ONE_BASE = "a service has exactly one base"


def quantity_faults(
    sold: Collection[str], ordered: Mapping[str, Decimal]
) -> Iterator[tuple[str, QuantityFault]]:
    """Each component that is ordered wrongly, with its fault. `sold`: the recurring components of the plan."""
    for component, quantity in ordered.items():
        if component not in sold:
            yield component, QuantityFault.NOT_SOLD
        elif quantity != quantity.to_integral_value():
            yield component, QuantityFault.NOT_WHOLE
        elif component == BASE and quantity != 1:
            yield component, QuantityFault.NOT_ONE_BASE
