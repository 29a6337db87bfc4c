"""An alert moves forward only: answered once, escalated at most once, and never out of its end."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import AlertState
from schemas.signals import Severity
from services import monitoring
from services.monitoring.domain.alerts import Move, after, fingerprint, is_more_severe, raised

RANK = {
    AlertState.OPEN: 0,
    AlertState.ESCALATED: 1,
    AlertState.ACKNOWLEDGED: 2,
    AlertState.RESOLVED: 3,
}


@given(st.lists(st.sampled_from(Move), max_size=12))
def test_any_sequence_of_moves_goes_forward_and_each_kind_counts_at_most_once(
    moves: list[Move],
) -> None:
    state, counted = AlertState.OPEN, []
    for move in moves:
        following = after(state, move)
        if following is None:
            continue
        assert RANK[following] > RANK[state]
        counted.append(move)
        state = following
    assert len(counted) == len(set(counted))


@given(st.lists(st.sampled_from(Move), max_size=6))
def test_a_resolved_alert_stays_resolved(moves: list[Move]) -> None:
    assert [after(AlertState.RESOLVED, move) for move in moves] == [None] * len(moves)


def test_an_acknowledged_alert_no_longer_escalates() -> None:
    assert after(AlertState.ACKNOWLEDGED, Move.ESCALATE) is None


@given(st.uuids(), st.uuids(), st.sampled_from(["incident", "heartbeat_missing"]))
def test_trouble_is_the_same_only_for_the_same_tenant_service_and_kind(
    tenant: object, service: object, kind: str
) -> None:
    mine = fingerprint(str(tenant), str(service), kind)
    assert mine == fingerprint(str(tenant), str(service), kind)
    assert mine != fingerprint(str(tenant), str(service), kind + "x")


@given(st.lists(st.sampled_from(Severity), min_size=1, max_size=8))
def test_in_whatever_order_trouble_comes_the_alert_ends_at_the_most_severe(
    reported: list[Severity],
) -> None:
    now = reported[0]
    for severity in reported:
        now = severity if is_more_severe(severity, now) else now
    assert now == min(reported)


def test_a_raised_alert_must_be_acknowledged_again_and_never_leaves_the_operator() -> None:
    assert {state: raised(state) for state in AlertState} == {
        AlertState.OPEN: AlertState.OPEN,
        AlertState.ACKNOWLEDGED: AlertState.OPEN,
        AlertState.ESCALATED: AlertState.ESCALATED,
        AlertState.RESOLVED: None,
    }


def test_the_database_knows_the_states_that_the_code_knows() -> None:
    schema = Path(monitoring.__file__).with_name("schema.sql").read_text(encoding="utf-8")
    found = re.search(
        r"CONSTRAINT alert_state_check CHECK \(\(state = ANY \(ARRAY\[(.*?)\]", schema
    )
    assert found is not None
    assert set(re.findall(r"'(\w+)'", found[1])) == {str(state) for state in AlertState}


def test_every_state_can_be_reached_and_only_a_resolved_alert_is_over() -> None:
    reached = {AlertState.OPEN}
    for _ in AlertState:
        reached |= {
            state
            for before in reached
            for move in Move
            if (state := after(before, move)) is not None
        }
    assert reached == set(AlertState)
    assert {state for state in AlertState if not any(after(state, move) for move in Move)} == {
        AlertState.RESOLVED
    }
