"""Deadlines count open minutes of the reseller's calendar, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.domain.calendar import Calendar

CASES = json.loads((Path(__file__).parent / "sla.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_worked_deadlines_come_out(case: dict[str, Any]) -> None:
    calendar = Calendar(case["calendar"].rsplit(" ", 1)[1])
    due = calendar.after(datetime.fromisoformat(case["opened"]), case["minutes"])
    assert due == datetime.fromisoformat(case["due"])


INSTANTS = st.integers(0, 294 * 1440).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def brute_force(calendar: Calendar, start: datetime, minutes: int) -> datetime:
    """Minute by minute."""
    at, left = start, minutes
    while left:
        local = at.astimezone(calendar.zone)
        is_open = (
            calendar.is_working_day(local.date())
            and calendar.opens <= local.time() < calendar.closes
        )
        left -= is_open
        at += timedelta(minutes=1)
    return at


@settings(max_examples=40, deadline=None)
@given(
    INSTANTS,
    st.integers(1, 1200),
    st.sampled_from(["TO", "MI", "BZ"]),
)
def test_a_deadline_is_what_counting_minute_by_minute_gives(
    start: datetime, minutes: int, provincia: str
) -> None:
    calendar = Calendar(provincia)
    assert calendar.after(start, minutes) == brute_force(calendar, start, minutes)


def test_whit_monday_is_closed_in_bolzano_only() -> None:
    whit_monday = datetime(2026, 5, 25, tzinfo=UTC).date()
    assert not Calendar("BZ").is_working_day(whit_monday)
    assert Calendar("TO").is_working_day(whit_monday)
