"""No sequence of orders lets one reseller begin more than its quota by itself."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.onboarding.domain.quotas import WINDOW, Quota

START = datetime(2026, 11, 1, tzinfo=UTC)
ORDERS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 6), st.booleans()), max_size=60)


@given(st.integers(0, 20), st.integers(0, 20), ORDERS)
def test_in_no_24_hours_more_services_begin_than_allowed_nor_more_at_one_time(
    per_day: int, in_progress: int, orders: list[tuple[int, int, bool]]
) -> None:
    """Each order comes some hours/10 after the one before, asks for services, and all those before may be done by then."""
    quota = Quota(services_per_day=per_day, services_in_progress=in_progress)
    begun: list[datetime] = []
    now, working = START, 0
    for tenths, asked, is_done in orders:
        now += timedelta(hours=tenths / 10)
        working = 0 if is_done else working
        recent = sum(at > now - WINDOW for at in begun)
        fault = quota.services_fault(recent, working, asked)
        fits = asked == 0 or (recent + asked <= per_day and working + asked <= in_progress)
        assert (fault is None) == fits, (
            f"{asked} more after {recent} in a day, {working} in progress: {fault}"
        )
        if fault is None:
            begun += [now] * asked
            working += asked
        assert all(sum(at - WINDOW < other <= at for other in begun) <= per_day for at in begun)


@given(st.integers(0, 50), st.integers(0, 100))
def test_a_new_firm_waits_for_a_person_from_the_first_beyond_the_quota_on(
    allowed: int, placed: int
) -> None:
    assert (Quota(firms_per_day=allowed).firm_fault(placed) is None) == (placed < allowed)
