"""A month that is rated again: what was billed of it and what is billed now sum to what it comes to."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import UsagePrice
from services.billing.domain.charges import Charge
from services.billing.domain.corrections import BilledUse, corrections
from services.billing.domain.periods import month_of
from services.billing.domain.pricing import usage_charges
from tests.support.catalogue import PLANS

PLAN = PLANS["BACKUP-PRO"]
NOVEMBER = month_of(date(2026, 11, 1))


def price(**said: object) -> UsagePrice:
    whole = {"meter": "m", "code": "gb", "label": "GB", "unit": "GB", **said}
    return UsagePrice.model_validate(whole)


TIERS = [
    {"up_to": "500", "price": "0.18"},
    {"up_to": "2000", "price": "0.14"},
    {"up_to": None, "price": "0.105"},
]
PRICES = {
    "per_unit": price(price="0.045"),
    "graduated": price(model="graduated", tiers=TIERS),
    "volume": price(model="volume", tiers=TIERS),
    "package": price(model="package", price="0.50", package_size="100"),
}  # fmt: skip


def exact(model: str, quantity: Fraction) -> Fraction:
    """What a quantity costs, worked out in another way: unit by unit of the finest step."""
    bounds = [(Fraction(0), Fraction(500), Fraction(18, 100)), (Fraction(500), Fraction(2000), Fraction(14, 100)),
              (Fraction(2000), None, Fraction(105, 1000))]  # fmt: skip
    match model:
        case "per_unit":
            return quantity * Fraction(45, 1000)
        case "package":
            return -(-quantity // 100) * Fraction(1, 2)
        case "volume":
            reached = [each for low, _, each in bounds if quantity > low]
            return quantity * (reached[-1] if reached else 0)
    return sum(
        (max(Fraction(0), (min(quantity, high) if high else quantity) - low) * each for low, high, each in bounds),
        Fraction(0),
    )  # fmt: skip


def cents(amount: Fraction) -> Decimal:
    return Decimal(int(amount * 100 + Fraction(1, 2))).scaleb(-2)


def as_billed(charges: list[Charge]) -> list[BilledUse]:
    return [BilledUse(charge.quantity, charge.unit_price, charge.net) for charge in charges]


@given(
    st.sampled_from(sorted(PRICES)),
    st.lists(st.decimals("0", "4000", places=8), min_size=1, max_size=6),
)
def test_parts_of_a_month_sum_to_what_it_comes_to(model: str, quantities: list[Decimal]) -> None:
    billed: list[BilledUse] = []
    for quantity in quantities:
        wanted = usage_charges(PLAN, PRICES[model], quantity, Decimal(0), NOVEMBER)
        more = corrections(PLAN, PRICES[model], wanted, billed, NOVEMBER)
        billed += as_billed(more)
        total = sum((row.net for row in billed), Decimal(0))
        assert total == cents(exact(model, Fraction(quantity)))
        for charge in more:
            assert charge.days == NOVEMBER
            assert charge.quantity > 0
            assert abs(charge.net - charge.unit_price * charge.quantity) <= Decimal("0.01")
        if sum((charge.net for charge in more), Decimal(0)) < 0:
            assert all(charge.net < 0 for charge in more)


def test_what_was_billed_rounded_is_taken_off_what_is_owed_rounded() -> None:
    at = PRICES["graduated"]
    first = usage_charges(PLAN, at, Decimal("513.691275"), Decimal(0), NOVEMBER)
    assert [str(charge.net) for charge in first] == ["90.00", "1.92"]
    now = usage_charges(PLAN, at, Decimal("526.142857"), Decimal(0), NOVEMBER)
    (more,) = corrections(PLAN, at, now, as_billed(first), NOVEMBER)
    assert (str(more.net), str(more.quantity), str(more.unit_price)) == (
        "1.74",
        "12.451582",
        "0.14",
    )
    assert more.description.endswith(" - conguaglio")


def test_a_month_that_comes_to_the_same_has_no_line() -> None:
    at = PRICES["package"]
    first = usage_charges(PLAN, at, Decimal(101), Decimal(0), NOVEMBER)
    again = usage_charges(PLAN, at, Decimal(199), Decimal(0), NOVEMBER)
    assert corrections(PLAN, at, again, as_billed(first), NOVEMBER) == []
