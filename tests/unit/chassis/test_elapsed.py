"""Waits end when either the machine's time or the service's clock says so."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.clock import Elapsed


class Steps:
    """A clock and a machine that a test moves."""

    def __init__(self) -> None:
        self.at, self.seconds = datetime(2026, 11, 27, tzinfo=UTC), 100.0

    def now(self) -> datetime:
        return self.at


MOVES = st.lists(st.tuples(st.integers(-7200, 90_000), st.integers(0, 60)), max_size=30)


@given(MOVES)
def test_each_look_adds_what_moved_further_and_never_less_than_the_machine(
    moves: list[tuple[int, int]],
) -> None:
    steps = Steps()
    elapsed = Elapsed(steps, lambda: steps.seconds)
    wanted = 0
    for clock, machine in moves:
        steps.at += timedelta(seconds=clock)
        steps.seconds += machine
        wanted += max(clock, machine)
        assert elapsed() == wanted
        assert elapsed() == wanted  # a second look adds nothing


def test_a_clock_that_goes_back_lengthens_no_wait() -> None:
    steps = Steps()
    elapsed = Elapsed(steps, lambda: steps.seconds)
    steps.at += timedelta(hours=1)
    before = elapsed()
    steps.at -= timedelta(hours=1)
    steps.seconds += 2
    assert elapsed() == before + 2
