"""Whatever happens to an alert, in any order and however often, it ends as the oracle says."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alerts import AlertState
from schemas.signals import Severity
from services.monitoring.domain.alerts import Move, after, is_more_severe, raised
from tests.support.alert_stories import (
    ACKNOWLEDGE,
    AGAIN,
    DEADLINE,
    RESOLVE,
    STEPS,
    UNDELIVERED,
    episodes,
)

MOVES = {
    ACKNOWLEDGE: Move.ACKNOWLEDGE, RESOLVE: Move.RESOLVE, UNDELIVERED: Move.ESCALATE, DEADLINE: Move.ESCALATE,
}  # fmt: skip


class Alert:
    """An alert that is carried by the rules alone."""

    def __init__(self, severity: Severity) -> None:
        self.state, self.severity, self.told = AlertState.OPEN, severity, Counter(["opened"])

    def report(self, severity: Severity) -> None:
        state = raised(self.state)
        assert state is not None, "what is over is raised by nothing"
        if is_more_severe(severity, self.severity):
            self.state, self.severity = state, severity
            self.told["raised"] += 1

    def move(self, move: Move) -> None:
        if state := after(self.state, move):
            self.state = state
            self.told[state] += 1


@settings(max_examples=2_000)
@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_any_story_ends_as_the_oracle_says(story: list[str]) -> None:
    alerts: list[Alert] = []
    for before, step in zip(["", *story], story, strict=False):
        # The same answer again moves nothing by the rules; the same report again is the inbox's to pass over.
        step = before if step == AGAIN and before in MOVES else step
        if step in list(Severity):
            if not alerts or alerts[-1].state is AlertState.RESOLVED:
                alerts.append(Alert(Severity(step)))
            else:
                alerts[-1].report(Severity(step))
        elif alerts and step in MOVES:
            alerts[-1].move(MOVES[step])
    expected = episodes(story)
    assert [(a.state, a.severity, a.told) for a in alerts] == [
        (e.state, e.severity, e.told) for e in expected
    ]


@given(st.lists(st.sampled_from(STEPS), max_size=25), st.data())
def test_an_answer_that_comes_twice_is_the_same_as_once(
    story: list[str], data: st.DataObject
) -> None:
    doubled = [
        again
        for step in story
        for again in (step, step if step in MOVES and data.draw(st.booleans()) else AGAIN)
    ]
    once, twice = episodes(story), episodes(doubled)
    assert [(e.state, e.severity, e.told) for e in once] == [
        (e.state, e.severity, e.told) for e in twice
    ]
