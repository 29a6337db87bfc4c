"""Prices agreed with one tenant: they replace the catalogue's for a component, from a month on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from schemas.catalogue import Price

AnyPrice = TypeVar("AnyPrice", bound=Price)


@dataclass(frozen=True, slots=True)
class AgreedPrice:
    """What a unit of a component costs a tenant from the first day of a month on, before the first day of another."""

    sku: str
    code: str
    since: date
    until: date | None
    """None: without an end."""
    price: Decimal

    def covers(self, sku: str, code: str, day: date) -> bool:
        """Whether it holds for a component on a day."""
        return (
            (self.sku, self.code) == (sku, code)
            and self.since <= day
            and (self.until is None or day < self.until)
        )

    def overlaps(self, other: "AgreedPrice") -> bool:
        """Whether two agreements about one component share a day. One that begins on the same day replaces the other."""
        if (self.sku, self.code) != (other.sku, other.code) or self.since == other.since:
            return False
        first, second = sorted((self, other), key=lambda one: one.since)
        return first.until is None or second.since < first.until


def in_force(told: Sequence[AgreedPrice]) -> list[AgreedPrice]:
    """Agreements that nobody replaced, of those given in the order of arrival."""
    return list({(one.sku, one.code, one.since): one for one in told}.values())


def agreed_or_sold(
    sku: str, price: AnyPrice, agreed: Sequence[AgreedPrice], month: date
) -> AnyPrice:
    """The price of a component in the month that begins on a day. `agreed` is in the order of arrival: the last one counts.

    What is replaced is the price of a unit; everything else stays as it was sold.
    """
    for one in in_force(agreed):
        if one.covers(sku, price.code, month):
            return price.model_copy(update={"price": one.price})
    return price
