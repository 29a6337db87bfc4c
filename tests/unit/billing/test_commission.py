"""What resellers earn: rounded once on the document, and every cent of it on a line."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.commission import (
    Assignment,
    CommissionableLine,
    Contract,
    ContractModel,
    commission,
    contract_on,
    is_first_year,
    lines_of,
)
from services.billing.domain.periods import Days

DECEMBER = Days(date(2026, 12, 1), date(2027, 1, 1))
CONTRACT = Contract(date(2026, 1, 1), ContractModel.AGENCY, Decimal(18), Decimal(5))
NETS = st.lists(st.decimals(-500, 500, places=2), min_size=1, max_size=12)


def line(n: int, net: str | Decimal, days: Days = DECEMBER) -> CommissionableLine:
    return CommissionableLine(n, days, Decimal(net))


def cents(amount: Fraction) -> Decimal:
    """Half up, away from zero, by whole numbers."""
    n, rest = divmod(abs(amount) * 100, 1)
    units = int(n) + (rest >= Fraction(1, 2))
    return Decimal(units if amount >= 0 else -units) / 100


@pytest.mark.parametrize(
    ("nets", "base", "uplift"),
    [
        (["49.00", "95.00", "24.07", "32.00", "61.50", "46.80", "4.50"], "56.32", "15.64"),
        (["-14.40", "-10.00"], "-4.39", "-1.22"),
    ],
    ids=["an invoice", "its credit note"],
)
def test_worked_documents(nets: list[str], base: str, uplift: str) -> None:
    lines = [line(n, net) for n, net in enumerate(nets, 1)]
    earned = commission("VAR", CONTRACT, lines, first_year=True)
    assert (earned.base, earned.uplift) == (Decimal(base), Decimal(uplift))
    later = commission("VAR", CONTRACT, lines, first_year=False)
    assert (later.base, later.uplift, later.uplift_percent) == (
        Decimal(base),
        Decimal(0),
        Decimal(0),
    )


@given(nets=NETS, rate=st.decimals(0, 100, places=2), uplift=st.decimals(0, 100, places=2))
def test_the_lines_sum_to_what_the_document_earns(
    nets: list[Decimal], rate: Decimal, uplift: Decimal
) -> None:
    contract = Contract(date(2026, 1, 1), ContractModel.RESALE, rate, uplift)
    earned = commission(
        "VAR", contract, [line(n, net) for n, net in enumerate(nets)], first_year=True
    )
    whole = sum(map(Fraction, nets), Fraction(0))
    assert earned.base == cents(whole * Fraction(rate) / 100)
    assert earned.uplift == cents(whole * Fraction(uplift) / 100)
    for found in earned.lines:
        exact = (Decimal(found.net) * rate / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert abs(found.base - exact) <= Decimal("0.01")


@given(
    nets=NETS,
    changes=st.lists(st.tuples(st.dates(date(2026, 11, 1), date(2027, 2, 1)), st.sampled_from("ABC")), min_size=1, max_size=5),
)  # fmt: skip
def test_a_line_is_split_by_the_day_among_those_who_served(
    nets: list[Decimal], changes: list[tuple[date, str]]
) -> None:
    assignments = [Assignment(day, who) for day, who in changes]
    lines = [line(n, net) for n, net in enumerate(nets)]
    found = lines_of(assignments, lines)
    first = min(day for day, _ in changes)
    serving = [
        [who for since, who in changes if since == last][-1]
        for last in (max([since for since, _ in changes if since <= max(day, first)]) for day in DECEMBER)
    ]  # fmt: skip
    assert set(found) == set(serving)
    for who, own in found.items():
        share = Fraction(serving.count(who), len(serving))
        for part, whole in zip(own, lines, strict=True):
            assert abs(Fraction(part.net) - Fraction(whole.net) * share) < Fraction(1, 10**50)


def test_the_contract_of_a_day_is_the_last_one_told_of_those_that_have_begun() -> None:
    def agreed(since: date, rate: int) -> Contract:
        return Contract(since, ContractModel.AGENCY, Decimal(rate), Decimal(0))

    told = [agreed(date(2026, 3, 1), 10), agreed(date(2026, 1, 1), 5), agreed(date(2026, 3, 1), 12)]
    assert contract_on(told, date(2025, 12, 31)) is None
    assert contract_on(told, date(2026, 2, 28)) == told[1]
    assert contract_on(told, date(2026, 3, 1)) == told[2]


@pytest.mark.parametrize(
    ("started", "last"),
    [(date(2026, 11, 1), date(2027, 10, 31)), (date(2024, 2, 29), date(2025, 2, 27))],
)
def test_a_first_year_ends_before_its_anniversary(started: date, last: date) -> None:
    assert is_first_year(started, last)
    assert not is_first_year(started, date.fromordinal(last.toordinal() + 1))
