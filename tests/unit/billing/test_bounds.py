"""What a month of a meter costs at least and at most: exact to the cent, by the day where the service begins or ends."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import UsagePrice
from services.billing.domain.charges import Charge
from services.billing.domain.corrections import BilledUse, corrections
from services.billing.domain.periods import month_of
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change, served_days
from tests.support.catalogue import PLANS

PLAN = PLANS["BACKUP-PRO"]
NOVEMBER = month_of(date(2026, 11, 1))
PRICE = UsagePrice.model_validate(
    {"meter": "m", "code": "gb", "label": "Spazio", "unit": "GB", "price": "0.18", "minimum": "9.99", "maximum": "30.00"}
)  # fmt: skip
QUANTITIES = st.decimals("0", "400", places=3)


def charged(quantity: Decimal, served: int = 30) -> list[Charge]:
    return usage_charges(PLAN, PRICE, quantity, Decimal(0), NOVEMBER, served=served)


def total(charges: list[Charge]) -> Decimal:
    return sum((charge.net for charge in charges), Decimal(0))


def owed(quantity: Decimal, served: int) -> Decimal:
    """The same in cents as fractions: each bound rounds half up by itself."""
    used = int(Fraction(quantity) * 18 + Fraction(1, 2))
    least = int(Fraction(999) * served / 30 + Fraction(1, 2))
    return Decimal(min(3000, max(used, least))).scaleb(-2)


@given(QUANTITIES, st.integers(0, 30))
def test_a_month_costs_at_least_and_at_most_so_much(quantity: Decimal, served: int) -> None:
    assert total(charged(quantity, served)) == owed(quantity, served)


@pytest.mark.parametrize(
    ("quantity", "lines"),
    [
        ("10", [("Spazio", "1.80"), ("Spazio - integrazione al minimo", "8.19")]),
        ("0", [("Spazio - integrazione al minimo", "9.99")]),
        ("100", [("Spazio", "18.00")]),
        ("300", [("Spazio - importo massimo", "30.00")]),
    ],
    ids=["below", "nothing", "between", "above"],
)
def test_the_bill_says_what_was_added_and_what_was_the_most(
    quantity: str, lines: list[tuple[str, str]]
) -> None:
    assert [(one.description, str(one.net)) for one in charged(Decimal(quantity))] == lines


@given(st.lists(QUANTITIES, min_size=1, max_size=4))
def test_parts_of_a_month_sum_to_what_it_comes_to(quantities: list[Decimal]) -> None:
    """However usage arrives: each run bills the difference."""
    billed: list[BilledUse] = []
    for quantity in quantities:
        more = corrections(PLAN, PRICE, charged(quantity), billed, NOVEMBER)
        billed += [BilledUse(one.quantity, one.unit_price, one.net) for one in more]
        assert sum(row.net for row in billed) == owed(quantity, 30)


LEVELS = st.lists(st.integers(0, 2), min_size=45, max_size=45)


@given(LEVELS, st.integers(0, 20))
def test_a_service_serves_on_the_days_on_which_it_has_something(
    levels: list[int], before: int
) -> None:
    first = NOVEMBER.start - timedelta(days=before)
    days = [first + timedelta(days=n) for n in range(len(levels))]
    changes = [Change(day, {"base": Decimal(n)}) for day, n in zip(days, levels, strict=True)]
    has = dict(zip(days, levels, strict=True))
    last = levels[-1]
    assert served_days(changes, NOVEMBER) == sum(
        1 for day in NOVEMBER if day >= first and has.get(day, last)
    )
