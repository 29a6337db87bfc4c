"""The rule of silence, against a story of a sender, a door and a log that is simulated minute by minute."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from services.monitoring.domain.heartbeats import (
    CLOSED_COUNTS,
    SilenceVerdict,
    WayIn,
    due_at,
    judge,
    silent_from,
)

START = datetime(2026, 12, 3, tzinfo=UTC)
MINUTES = 400
spans = st.lists(st.tuples(st.integers(0, MINUTES), st.integers(1, 90)), max_size=4)


def minute(n: float) -> datetime:
    return START + timedelta(minutes=n)


@dataclass(frozen=True)
class Story:
    """Every `interval` minutes a service says that it lives, until it dies; a closed door takes nothing, for good."""

    interval: int
    dies_at: int
    closed: list[tuple[int, int]]
    now: int

    def is_closed(self, n: int) -> bool:
        return any(begin <= n < begin + length for begin, length in self.closed)

    def beats(self) -> list[int]:
        return [
            n
            for n in range(0, self.now + 1, self.interval)
            if n < self.dies_at and (not n or not self.is_closed(n))
        ]

    def way_in(self) -> WayIn:
        """What a pulse in each minute in which the door is open says. The door is open in minute 0."""
        way, since = WayIn(minute(0), minute(0)), 0
        for n in range(1, self.now + 1):
            if self.is_closed(n):
                since = n + 1
            else:
                way = way.after(minute(n), minute(since))
        return way


stories = st.builds(
    Story,
    interval=st.integers(4, 60),
    dies_at=st.integers(1, 2 * MINUTES),
    closed=spans,
    now=st.integers(1, MINUTES),
)


@given(stories)
@example(Story(interval=10, dies_at=900, closed=[(5, 300)], now=400))
def test_a_service_that_lives_is_never_silent_whenever_the_door_was_closed(story: Story) -> None:
    if story.dies_at > story.now:
        last = minute(story.beats()[-1])
        found = judge(minute(story.now), last, story.interval * 60, story.way_in(), is_read=True)
        assert found is not SilenceVerdict.SILENT


@given(stories)
def test_a_dead_service_is_found_once_the_door_was_open_for_its_whole_limit(story: Story) -> None:
    """The oracle: no beat, and no closed minute, in the last one and a half intervals; and a minute more for the pulse."""
    limit = -(-story.interval * 3 // 2) + 1
    quiet = range(story.now - limit, story.now + 1)
    last = story.beats()[-1]
    if quiet[0] > last and not any(story.is_closed(n) for n in quiet):
        found = judge(
            minute(story.now), minute(last), story.interval * 60, story.way_in(), is_read=True
        )
        assert found is SilenceVerdict.SILENT


@given(stories, st.booleans())
def test_nothing_is_judged_that_may_still_be_in_the_log(story: Story, has_door: bool) -> None:
    way_in = story.way_in() if has_door else None
    found = judge(
        minute(story.now), minute(story.beats()[-1]), story.interval * 60, way_in, is_read=False
    )
    assert found in (SilenceVerdict.UNREAD, SilenceVerdict.EARLY)


@given(stories)
def test_without_pulses_only_the_beat_counts(story: Story) -> None:
    last = minute(story.beats()[-1])
    found = judge(minute(story.now), last, story.interval * 60, None, is_read=True)
    assert (found is SilenceVerdict.SILENT) == (
        minute(story.now) >= last + timedelta(minutes=story.interval * 1.5)
    )


@given(st.integers(1, 86_400), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_door_that_fails_again_and_again_excuses_a_beat_for_a_day_at_most(
    interval: int, since: int, pulse: int
) -> None:
    way_in = WayIn(START + timedelta(seconds=since + pulse), START + timedelta(seconds=since))
    assert (
        silent_from(START, interval)
        <= due_at(START, interval, way_in)
        <= silent_from(START, interval) + CLOSED_COUNTS
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6))
def test_pulses_of_several_copies_say_no_more_than_the_minutes_they_cover(
    pulses: list[tuple[int, int]],
) -> None:
    """Each pulse covers the minutes from its `open_since` to its time; merged, they must cover no other minute."""
    spans_ = [(min(a, b), max(a, b)) for a, b in pulses]
    way = WayIn(minute(spans_[0][1]), minute(spans_[0][0]))
    for since, at in spans_[1:]:
        way = way.after(minute(at), minute(since))
    covered = {n / 2 for since, at in spans_ for n in range(2 * since, 2 * at + 1)}
    first, last = (
        int((instant - START).total_seconds() // 30) for instant in (way.open_since, way.pulse_at)
    )
    assert {n / 2 for n in range(first, last + 1)} <= covered
    assert way.pulse_at == minute(max(at for _, at in spans_))
