"""Whoever sent what is refused behind the door is notified: it had a 202, and would never know."""

from schemas.envelope import Malformed, peek
from schemas.rejects import EventRejected
from services.chassis.unit import Unit


def notify_sender(raw: bytes | None, reason: str, detail: str, service: str, unit: Unit) -> None:
    """Say that an event was refused, if it can be read and came through a door: only then is there somebody to notify.

    Its facts are named by `unit`: give one that is about this record alone.
    """
    try:
        wire = peek(raw or b"")
    except Malformed:
        return  # no door lets such a record in; the reject is there for the operator
    if wire.principal is None:
        return
    said = EventRejected(
        sender=wire.principal, source=wire.source, id=wire.id, type=wire.type, service=service,
        reason=reason, detail=detail,
    )  # fmt: skip
    unit.publish(said, subject=wire.subject)
