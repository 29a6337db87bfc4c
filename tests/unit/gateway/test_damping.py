"""A sender is notified of its first reject at once and of all others soon, however many there are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.damping import NOTICE_EVERY, Notice

START = datetime(2026, 11, 10, 9, tzinfo=UTC)
groups = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 50)), min_size=1, max_size=40)
"""Seconds after the group before, and how many rejects come at once."""


@given(groups)
def test_every_reject_is_in_a_notification_and_two_are_never_closer_than_the_pause(
    given_groups: list[tuple[int, int]],
) -> None:
    now, notice = START, Notice()
    sent: list[tuple[datetime, int]] = []

    def look() -> None:
        """What the timer does when it is due."""
        nonlocal notice
        if notice.next_at is not None and now >= notice.next_at:
            sent.append((now, notice.more))
            notice = notice.heard(now)

    for seconds, count in given_groups:
        now += timedelta(seconds=seconds)
        look()
        if notice.is_due(now):
            sent.append((now, notice.more + count))
            notice = notice.heard(now)
        else:
            notice = notice.further(count)
    now += NOTICE_EVERY
    look()
    assert sum(count for _, count in sent) == sum(count for _, count in given_groups)
    assert sent[0] == (START + timedelta(seconds=given_groups[0][0]), given_groups[0][1])
    times = [at for at, _ in sent]
    assert all(b - a >= NOTICE_EVERY for a, b in pairwise(times))


def test_a_clock_that_was_set_back_does_not_silence_a_sender() -> None:
    assert Notice(START).is_due(START - timedelta(days=300))
