"""Caps on a tenant's whole month: fees and usage never come to more than a hard one, and the shares sum to the whole."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.periods import month_of
from services.billing.domain.tenant_caps import (
    TenantCap,
    taken_off,
    tenant_cap_charge,
    tenant_caps_of,
)
from tests.support.catalogue import PLANS

OCTOBER, NOVEMBER = month_of(date(2026, 10, 1)), month_of(date(2026, 11, 1))
CENT = Decimal("0.01")
CENTS = st.integers(0, 50_000).map(lambda cents: Decimal(cents).scaleb(-2))
USES = st.lists(CENTS, max_size=6).map(lambda found: {f"s{n}": one for n, one in enumerate(found)})


def cap(
    amount: Decimal | None, since: date = OCTOBER.start, spent: str = "0", *, hard: bool = True, currency: str = "EUR"
) -> TenantCap:  # fmt: skip
    return TenantCap(currency, since, amount, hard, Decimal(spent))


@given(CENTS, CENTS, USES)
def test_the_month_is_never_above_the_cap_unless_its_fees_are(
    allowed: Decimal, fees: Decimal, usage: dict[str, Decimal]
) -> None:
    found = taken_off(cap(allowed), OCTOBER.start, fees, usage, CENT)
    whole = sum(usage.values(), Decimal(0))
    billed = fees + whole + sum(found.values(), Decimal(0))
    assert billed == min(fees + whole, max(fees, allowed))
    assert found.keys() == usage.keys()


@given(CENTS, USES)
def test_a_share_is_in_proportion_to_usage_and_never_more(
    allowed: Decimal, usage: dict[str, Decimal]
) -> None:
    found = taken_off(cap(allowed), OCTOBER.start, Decimal(0), usage, CENT)
    whole = sum(map(Fraction, usage.values()), Fraction(0))
    beyond = max(Fraction(0), whole - Fraction(allowed))
    for name, amount in usage.items():
        assert -amount <= found[name] <= 0
        assert found[name] == found[name].quantize(CENT)
        exact = beyond * Fraction(amount) / whole if whole else Fraction(0)
        assert abs(-Fraction(found[name]) - exact) < Fraction(1, 100)


@given(CENTS, st.lists(USES, min_size=1, max_size=5))
def test_rated_again_and_again_a_service_is_billed_what_the_newest_rating_says(
    allowed: Decimal, ratings: list[dict[str, Decimal]]
) -> None:
    plan, billed = PLANS["VOIP-PBX"], Decimal(0)
    for usage in ratings:
        wanted = taken_off(cap(allowed), OCTOBER.start, Decimal(0), usage, CENT).get(
            "s0", Decimal(0)
        )
        charge = tenant_cap_charge(plan, wanted, billed, OCTOBER)
        assert (charge is None) == (wanted == billed)
        billed += charge.net if charge else 0
        assert billed == wanted


def test_a_soft_cap_takes_nothing_off() -> None:
    found = taken_off(cap(Decimal(1), hard=False), OCTOBER.start, Decimal(0), {"s": Decimal(9)}, CENT)  # fmt: skip
    assert found == {"s": 0}


def test_a_cap_that_is_lowered_leaves_owed_what_is_spent() -> None:
    lowered = cap(Decimal("5.00"), spent="7.50")
    assert (lowered.amount_of(OCTOBER.start), lowered.amount_of(NOVEMBER.start)) == (
        Decimal("7.50"), Decimal("5.00")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("month", "told", "expected"),
    [
        (OCTOBER, [(5, OCTOBER, "EUR"), (9, NOVEMBER, "EUR"), (7, OCTOBER, "EUR")], {"EUR": 7}),
        (NOVEMBER, [(5, OCTOBER, "EUR"), (9, NOVEMBER, "EUR"), (7, OCTOBER, "EUR")], {"EUR": 9}),
        (NOVEMBER, [(5, OCTOBER, "EUR"), (None, NOVEMBER, "EUR")], {}),
        (OCTOBER, [(5, OCTOBER, "EUR"), (6, OCTOBER, "CHF")], {"EUR": 5, "CHF": 6}),
        (OCTOBER, [(5, NOVEMBER, "EUR")], {}),
    ],
    ids=["the last one said", "the last one begun", "lifted", "one for a currency", "not yet begun"],
)  # fmt: skip
def test_one_cap_for_a_currency_holds(month, told, expected) -> None:  # type: ignore[no-untyped-def]
    caps = [
        cap(None if amount is None else Decimal(amount), since.start, currency=currency)
        for amount, since, currency in told
    ]
    found = {currency: one.amount for currency, one in tenant_caps_of(caps, month.start).items()}
    assert found == expected
