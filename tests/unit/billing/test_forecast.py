"""A month at its pace: what grows comes to more, nothing is foreseen in the first days, and the last moment foresees itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.forecast import SOONEST, pace, projected

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)


@given(hours=st.floats(0, 900))
def test_a_pace_is_the_whole_month_over_what_has_gone_by(hours: float) -> None:
    now = START + timedelta(hours=hours)
    times = pace(START, now, END)
    if now - START < SOONEST or now >= END:
        assert times == 1
    else:
        gone = (now - START) / timedelta(days=30)
        assert abs(float(times) * gone - 1) < 1e-9


@given(quantity=st.decimals(0, 10**9, places=6), parts=st.integers(1, 60), whole=st.integers(1, 60))
def test_a_projected_quantity_has_eight_decimals_at_most(
    quantity: Decimal, parts: int, whole: int
) -> None:
    found = projected(quantity, Fraction(whole, parts))
    assert abs(Fraction(found) - Fraction(quantity) * whole / parts) <= Fraction(1, 10**8)
    assert int(found.as_tuple().exponent) >= -8
