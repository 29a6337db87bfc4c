"""Spending caps: no month is billed above a hard one, whatever is reported when."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.caps import Cap, cap_charge, in_force, reached
from services.billing.domain.periods import month_of
from tests.support.catalogue import PLANS

PLAN = PLANS["VOIP-PBX"]
OCTOBER, NOVEMBER = month_of(date(2026, 10, 1)), month_of(date(2026, 11, 1))
METERS = ("minutes_fixed", "minutes_mobile")
CENTS = st.integers(0, 5000).map(lambda cents: Decimal(cents).scaleb(-2))


def cap(
    amount: Decimal | None, since: date = OCTOBER.start, spent: str = "0", hard: bool = True
) -> Cap:
    return Cap("s", METERS, since, amount, hard, Decimal(spent))


@given(CENTS, st.lists(CENTS, min_size=1, max_size=6))
def test_what_is_billed_is_what_was_used_up_to_the_cap(
    allowed: Decimal, used: list[Decimal]
) -> None:
    taken = Decimal(0)
    for spent in used:  # rated again and again, as usage comes late or is given back
        charge = cap_charge(PLAN, cap(allowed), spent, taken, OCTOBER)
        taken += charge.net if charge else 0
        assert spent + taken == min(spent, allowed)


def test_a_soft_cap_takes_nothing_off() -> None:
    assert cap_charge(PLAN, cap(Decimal(1), hard=False), Decimal(9), Decimal(0), OCTOBER) is None


def test_a_cap_that_is_lowered_leaves_owed_what_is_spent() -> None:
    lowered = cap(Decimal("5.00"), spent="7.50")
    assert lowered.amount_of(OCTOBER.start) == Decimal("7.50")
    assert lowered.amount_of(NOVEMBER.start) == Decimal("5.00")


def test_the_last_cap_that_has_begun_holds() -> None:
    told = [cap(Decimal(5)), cap(Decimal(9), NOVEMBER.start), cap(Decimal(7))]
    assert [one.amount for one in in_force(told, OCTOBER.start)] == [7]
    assert [one.amount for one in in_force(told, NOVEMBER.start)] == [9]
    assert in_force([*told, cap(None, NOVEMBER.start)], NOVEMBER.start) == []


def test_shares_are_told_as_they_are_reached() -> None:
    at = Decimal("10.00")
    spent = ["0", "4.99", "5.00", "8.00", "10.00", "12.00"]
    assert [reached(at, Decimal(s)) for s in spent] == [
        [], [], [50], [50, 80], [50, 80, 100], [50, 80, 100]
    ]  # fmt: skip
    assert reached(Decimal(0), Decimal(0)) == []
