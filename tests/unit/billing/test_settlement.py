"""When a commission is the reseller's own, and what a quarter pays."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.commission import ContractModel
from services.billing.domain.settlement import (
    EarnedDocument,
    NoQuarter,
    payout,
    quarter_days,
    settled,
    twelfth_month,
    vested_on,
)

AGENCY, RESALE = ContractModel.AGENCY, ContractModel.RESALE


def earned(
    number: str, issued: date, paid: date | None, model: ContractModel = AGENCY, base: str = "10.00"
) -> EarnedDocument:
    return EarnedDocument(number, "t", issued, "EUR", model, Decimal(base), Decimal("1.00"), paid)


@pytest.mark.parametrize(
    ("model", "issued", "paid", "day"),
    [
        (AGENCY, date(2026, 12, 1), None, None),
        (AGENCY, date(2026, 12, 1), date(2027, 1, 5), date(2027, 1, 5)),
        (AGENCY, date(2027, 2, 1), date(2027, 1, 5), date(2027, 2, 1)),
        (RESALE, date(2026, 12, 1), None, date(2026, 12, 1)),
    ],
    ids=["an agent waits for the money", "an agent, paid", "a credit note after the payment", "a seller, at issue"],
)  # fmt: skip
def test_what_is_earned_vests(
    model: ContractModel, issued: date, paid: date | None, day: date | None
) -> None:
    assert vested_on(earned("1", issued, paid, model)) == day


def test_the_uplift_waits_for_twelve_paid_months() -> None:
    issued = [date(2026 + n // 12, n % 12 + 1, 1) for n in range(12)]
    paid = [(day, day.replace(day=20)) for day in issued]
    assert twelfth_month(paid[:11]) is None
    assert twelfth_month([*paid[:11], paid[0]]) is None
    twelfth = twelfth_month(paid)
    assert twelfth == date(2026, 12, 20)
    document = earned("1", issued[0], date(2026, 1, 20))
    assert [line.what for line in settled([document], {"t": None}, date(2030, 1, 1), set())] == [
        "commission"
    ]
    lines = settled([document], {"t": twelfth}, date(2030, 1, 1), set())
    assert [(line.what, line.vested_on) for line in lines] == [
        ("commission", date(2026, 1, 20)), ("first_year_uplift", date(2026, 12, 20)),
    ]  # fmt: skip


@given(
    days=st.lists(st.integers(0, 700), min_size=1, max_size=8),
    late=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_each_line_is_on_one_statement_however_late_it_is_told(
    days: list[int], late: list[bool]
) -> None:
    documents = [
        earned(str(n), date(2026, 1, 1), date.fromordinal(date(2026, 1, 1).toordinal() + day))
        for n, day in enumerate(days)
    ]
    seen: list[tuple[str, str]] = []
    for n in range(1, 10):
        quarter = quarter_days(f"{2026 + (n - 1) // 4}-Q{(n - 1) % 4 + 1}")
        known = [
            one for one, told_late in zip(documents, late, strict=False) if not told_late or n == 9
        ]
        lines = settled(known, {}, quarter.end, set(seen))
        assert all(line.vested_on < quarter.end for line in lines)
        seen += [(line.number, line.what) for line in lines]
    assert sorted(seen) == sorted((str(n), "commission") for n in range(len(days)))


@given(
    amounts=st.lists(st.decimals(-100, 100, places=2), min_size=1, max_size=8),
    model=st.sampled_from(ContractModel),
)
def test_nobody_pays_in_and_a_seller_s_debt_is_carried_on(
    amounts: list[Decimal], model: ContractModel
) -> None:
    carried, due = Decimal(0), Decimal(0)
    for amount in amounts:
        paid = payout(amount, carried, model)
        assert paid.due >= 0 >= paid.carried_out
        assert model is RESALE or paid.carried_out == 0
        carried, due = paid.carried_out, due + paid.due
    if model is RESALE:
        assert due + carried == sum(amounts)
    else:
        assert due == sum(amount for amount in amounts if amount > 0)


@pytest.mark.parametrize(
    "name", ["", "2026", "2026Q4", "2026-Q5", "2026-Q0", "0000-Q1", "2026-Q4 "]
)
def test_what_is_no_quarter_is_refused(name: str) -> None:
    with pytest.raises(NoQuarter):
        quarter_days(name)


def test_a_quarter_has_its_days() -> None:
    assert (quarter_days("2026-Q4").start, quarter_days("2026-Q4").end) == (
        date(2026, 10, 1),
        date(2027, 1, 1),
    )
