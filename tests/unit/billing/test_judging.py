"""Usage counts, waits, or is refused for a reason."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.usage import (
    QUARTER,
    WAITS,
    EventGroup,
    MeteredService,
    MeterReading,
    Window,
    judge,
    judge_time,
    quarter_of,
    start_of,
)  # fmt: skip
from services.billing.metering.arrivals import Arrival, read
from services.billing.metering.gathering import Gathering
from tests.unit.billing.events import INSTANTS, NOON, SERVICE, TENANT, arrival, usage

READINGS: Mapping[str, MeterReading] = {
    "calls": MeterReading(("calls",), (), "quantity"), "orders": MeterReading(("orders",), (), "value"),
    "pings": MeterReading(("pings",), (), "anything"), "mixed": MeterReading(("a", "b"), ("pages",), None),
}  # fmt: skip
LIVE = MeteredService(SERVICE, TENANT, NOON - timedelta(days=10), READINGS)
WINDOW = Window(NOON - timedelta(days=35), NOON + timedelta(minutes=5), revision=3)
LONG_AGO = MeteredService(SERVICE, TENANT, NOON - timedelta(days=99), READINGS)


def group_of(event: Arrival) -> EventGroup:
    [alike] = Gathering([event]).groups
    return alike


def verdict_of(event: Arrival, service: MeteredService | None) -> str | None:
    told = judge(group_of(event), service, WINDOW)
    return judge_time(event.at, service, WINDOW) if told is None and service else told


@pytest.mark.parametrize(
    ("event", "service", "verdict"),
    [
        (arrival(quantity="1"), LIVE, None),
        (arrival(quantity="1"), None, WAITS),
        (read(usage(tenant="another", quantity="1"), 7), LIVE, "wrong_tenant"),
        (arrival(quantity="1", meter="unknown"), LIVE, "unknown_meter"),
        (arrival(value="1"), LIVE, "wrong_value"),
        (arrival(quantity="1", meter="orders"), LIVE, "wrong_value"),
        (arrival(value="1", meter="orders"), LIVE, None),
        (arrival(value="1", meter="pings"), LIVE, None),
        (arrival(quantity="1", meter="mixed"), LIVE, None),
        (arrival(WINDOW.latest, quantity="1"), LIVE, None),
        (arrival(WINDOW.latest + timedelta(microseconds=1), quantity="1"), LIVE, "time_in_future"),
        (arrival(WINDOW.earliest, quantity="1"), LONG_AGO, None),
        (arrival(WINDOW.earliest - timedelta(microseconds=1), quantity="1"), LONG_AGO, "time_too_old"),
        (arrival(LIVE.activated_at, quantity="1"), LIVE, None),
        (arrival(LIVE.activated_at - timedelta(microseconds=1), quantity="1"), LIVE, "before_activation"),
    ],
    ids=[
        "in time", "an unknown service", "another tenant", "an unknown meter", "a value for a quantity",
        "a quantity for a value", "a value for a value", "anything", "several meters", "as early as may be",
        "too early", "as late as may be", "too late", "at its activation", "before its activation",
    ],
)  # fmt: skip
def test_an_event_counts_or_waits_or_is_told_why_not(
    event: Arrival, service: MeteredService | None, verdict: str | None
) -> None:
    assert verdict_of(event, service) == verdict


@given(st.integers(-40 * 96, 96), st.integers(0, 899_999_999), st.integers(-40, 0))
def test_a_quarter_that_is_in_time_is_in_time_at_every_instant(
    quarters: int, microseconds: int, activated: int
) -> None:
    starts = start_of(quarter_of(NOON) + quarters)
    service = MeteredService(SERVICE, TENANT, NOON + timedelta(days=activated, minutes=7), READINGS)
    if WINDOW.covers(starts, service):
        assert judge_time(starts + timedelta(microseconds=microseconds), service, WINDOW) is None


@given(INSTANTS)
def test_an_instant_lies_in_its_quarter(at: datetime) -> None:
    assert start_of(quarter_of(at)) <= at < start_of(quarter_of(at)) + QUARTER


def test_a_name_that_the_door_may_know_from_a_newer_catalogue_waits_for_it() -> None:
    event = arrival(quantity="1", meter="unknown")
    verdicts = [
        judge(group_of(event), LIVE, Window(WINDOW.earliest, WINDOW.latest, revision))
        for revision in (2, 3, 4)
    ]
    assert verdicts == [WAITS, "unknown_meter", "unknown_meter"]
