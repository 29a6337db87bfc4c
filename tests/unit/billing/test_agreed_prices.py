"""What a tenant pays where other prices are agreed: month by month, against every day counted for itself."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.agreed_prices import AgreedPrice, agreed_or_sold
from services.billing.domain.periods import month_of
from services.billing.domain.quantities import Change
from services.billing.domain.recurring import Billed, recurring_charges
from tests.support.catalogue import PLANS

PLAN = PLANS["MAIL-STD"]
MAILBOX = PLAN.recurring[0]
MONTHS = [date(2026 + n // 12, n % 12 + 1, 1) for n in range(9, 18)]
amounts = st.integers(0, 900).map(lambda cents: Decimal(cents).scaleb(-2))


@st.composite
def agreements(draw: st.DrawFn) -> list[AgreedPrice]:
    """Agreements about mailboxes that do not overlap, some of them replaced by a later one of the same day."""
    edges = sorted(draw(st.sets(st.integers(0, len(MONTHS) - 1), max_size=5)))
    found = []
    for n, edge in enumerate(edges):
        after = MONTHS[edges[n + 1]] if n + 1 < len(edges) else None
        ends = draw(st.sampled_from([after, MONTHS[edge + 1]])) if edge + 1 < len(MONTHS) else after
        found.append(AgreedPrice("MAIL-STD", "mailbox", MONTHS[edge], ends, draw(amounts)))
        if draw(st.booleans()):
            found.append(AgreedPrice("MAIL-STD", "mailbox", MONTHS[edge], ends, draw(amounts)))
    return found


def price_by_day(agreed: Sequence[AgreedPrice], day: date) -> Decimal:
    """The oracle: of all that hold on a day, the one that came last."""
    price = MAILBOX.price
    assert price is not None
    for one in agreed:
        if one.since <= day and (one.until is None or day < one.until):
            price = one.price
    return price


@given(
    agreements(), st.dictionaries(st.integers(0, 200), st.integers(0, 30), min_size=1, max_size=6)
)
def test_each_month_costs_what_its_days_cost_at_the_price_agreed(
    agreed: list[AgreedPrice], steps: dict[int, int]
) -> None:
    start = MONTHS[0]
    changes = [
        Change(start + timedelta(days=n), {"mailbox": Decimal(units), "pec_mailbox": Decimal(0)})
        for n, units in sorted(steps.items())
    ]
    billed: dict[str, list[Billed]] = {}
    for boundary in MONTHS:
        charges = recurring_charges(
            PLAN, changes, billed, boundary, price_of=lambda price, month: agreed_or_sold("MAIL-STD", price, agreed, month)
        )  # fmt: skip
        for one in charges:
            billed.setdefault(one.component, []).append(Billed(one.days, one.units_billed, one.net))
    for month in map(month_of, MONTHS):
        exact = Fraction(0)
        for day in month:
            units = next(
                (one.quantities["mailbox"] for one in reversed(changes) if one.day <= day), 0
            )
            exact += Fraction(units) * Fraction(price_by_day(agreed, day)) / len(month)
        cents = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
            Decimal("0.01"), ROUND_HALF_UP
        )
        rows = billed.get("MAIL-STD/mailbox", [])
        assert (
            sum((row.net for row in rows if month_of(row.days.start) == month), Decimal(0)) == cents
        )


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ((10, None), (12, None), True),
        ((10, 12), (12, None), False),
        ((12, None), (10, 12), False),
        ((10, 13), (12, 13), True),
        ((10, None), (10, 12), False),
    ],
    ids=["no end", "one after the other", "one before the other", "shared", "replaced"],
)
def test_two_agreements_may_not_share_a_day(
    first: tuple[int, int | None], second: tuple[int, int | None], overlap: bool
) -> None:
    def agreed(months: tuple[int, int | None]) -> AgreedPrice:
        days = [None if n is None else date(2026 + n // 13, (n - 1) % 12 + 1, 1) for n in months]
        assert days[0] is not None
        return AgreedPrice("S", "c", days[0], days[1], Decimal(1))

    assert agreed(first).overlaps(agreed(second)) is overlap
    assert agreed(second).overlaps(agreed(first)) is overlap
