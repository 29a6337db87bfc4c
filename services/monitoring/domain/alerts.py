"""The life of an alert: open, acknowledged or escalated, resolved. One alert is open for the same trouble at a time.

More severe trouble raises it; less severe trouble never lowers it.
"""

from enum import StrEnum

from schemas.alerts import AlertState
from schemas.signals import Severity


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


_RAISED: dict[AlertState, AlertState] = {
    AlertState.OPEN: AlertState.OPEN,
    AlertState.ACKNOWLEDGED: AlertState.OPEN,
    AlertState.ESCALATED: AlertState.ESCALATED,
}
"""What was acknowledged was a lesser trouble; what the operator has joined stays with the operator too."""


def is_more_severe(severity: Severity, than: Severity) -> bool:
    """Whether trouble is more urgent than other trouble: P1 is the most urgent."""
    return list(Severity).index(severity) < list(Severity).index(than)


def raised(state: AlertState) -> AlertState | None:
    """The state of an alert that becomes more severe; None when it is over."""
    return _RAISED.get(state)


def fingerprint(tenant_id: str, service_id: str, kind: str) -> str:
    """What makes trouble the same trouble."""
    return f"{tenant_id}|{service_id}|{kind}"
