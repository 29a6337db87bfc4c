"""The life of an alert: open, acknowledged or escalated, resolved. One alert is open for the same trouble at a time."""

from enum import StrEnum

from schemas.alerts import AlertState


class Move(StrEnum):
    """What may happen to an alert."""

    ACKNOWLEDGE = "acknowledge"
    ESCALATE = "escalate"
    RESOLVE = "resolve"


_MOVES: dict[tuple[AlertState, Move], AlertState] = {
    (AlertState.OPEN, Move.ACKNOWLEDGE): AlertState.ACKNOWLEDGED,
    (AlertState.OPEN, Move.ESCALATE): AlertState.ESCALATED,
    (AlertState.ESCALATED, Move.ACKNOWLEDGE): AlertState.ACKNOWLEDGED,
    (AlertState.OPEN, Move.RESOLVE): AlertState.RESOLVED,
    (AlertState.ACKNOWLEDGED, Move.RESOLVE): AlertState.RESOLVED,
    (AlertState.ESCALATED, Move.RESOLVE): AlertState.RESOLVED,
}


def after(state: AlertState, move: Move) -> AlertState | None:
    """The state after a move; None when it changes nothing (an answer that came twice, or too late)."""
    return _MOVES.get((state, move))


def fingerprint(tenant_id: str, service_id: str, kind: str) -> str:
    """What makes trouble the same trouble."""
    return f"{tenant_id}|{service_id}|{kind}"
