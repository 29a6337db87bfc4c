"""An alert moves forward only: answered once, escalated at most once, and never out of its end."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import AlertState
from services.monitoring.domain.alerts import Move, after, fingerprint

RANK = {AlertState.OPEN: 0, AlertState.ESCALATED: 1, AlertState.ACKNOWLEDGED: 2, AlertState.RESOLVED: 3}


@given(st.lists(st.sampled_from(Move), max_size=12))
def test_any_sequence_of_moves_goes_forward_and_each_kind_counts_at_most_once(moves: list[Move]) -> None:
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
