"""Keep what was refused behind the door, and notify its senders: no 202 ends in silence."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.envelope import Event
from schemas.rejects import EventRejected
from services.chassis.store import collect
from services.chassis.unit import Unit
from services.gateway import store
from services.gateway.domain.damping import Notice
from services.gateway.job_kinds import MoreRejects, notify_of_more
from services.gateway.store import sql
from services.gateway.usecases.notify import notify_reseller

Rejection = Event[EventRejected]
Of = tuple[str, str]
"""A sender and a reason."""


async def note_rejects(events: Sequence[Rejection], unit: Unit) -> None:
    """Keep rejects for their senders, each once, and notify resellers of the first for each reason."""
    fresh = await _keep(events, unit)
    senders = {event.data.sender for event in fresh}
    resellers = await store.resellers_among(unit.db, senders)
    groups: dict[Of, list[Rejection]] = {}
    for event in fresh:
        if event.data.sender in resellers:
            groups.setdefault((event.data.sender, event.data.reason), []).append(event)
    for of, notice in (await _hold(sorted(groups), unit)).items():
        first, *rest = groups[of]
        if notice.is_due(unit.now):
            await _notify(first, notice.more + len(rest), unit)
            await _put(of, notice.heard(unit.now), unit)
        else:
            await _put(of, notice.further(len(rest) + 1), unit)


async def notify_of_the_rest(args: MoreRejects, unit: Unit) -> None:
    """Notify a sender of what was refused since the notification before: of the newest, and of how many more."""
    of = args.sender, args.reason
    notice = (await _hold([of], unit))[of]
    row = await sql.newest_rejected(unit.db, sender=args.sender, reason=args.reason)
    if notice.more and row is not None:
        await _notify(_event(row), notice.more - 1, unit)
    await _put(of, notice.heard(unit.now), unit)


async def _keep(events: Sequence[Rejection], unit: Unit) -> list[Rejection]:
    """Keep them; those that were not kept before."""
    added = await collect(
        sql.add_rejected(
            unit.db, ids=[UUID(event.id) for event in events], ats=[event.time for event in events],
            senders=[event.data.sender for event in events], tenants=[event.subject for event in events],
            sources=[event.data.source for event in events], event_ids=[event.data.id for event in events],
            types=[event.data.type for event in events], services=[event.data.service for event in events],
            reasons=[event.data.reason for event in events], details=[event.data.detail for event in events],
        )
    )  # fmt: skip
    new = {str(row["id"]) for row in added}
    return [event for event in events if event.id in new]


async def _hold(of: Sequence[Of], unit: Unit) -> dict[Of, Notice]:
    names = {"senders": [sender for sender, _ in of], "reasons": [reason for _, reason in of]}
    await sql.begin_reject_notices(unit.db, **names)
    return {
        (row["sender"], row["reason"]): Notice(row["notified_at"], row["more"])
        for row in await collect(sql.hold_reject_notices(unit.db, **names))
    }


async def _put(of: Of, notice: Notice, unit: Unit) -> None:
    sender, reason = of
    await sql.put_reject_notice(
        unit.db, sender=sender, reason=reason, notified_at=notice.notified_at, more=notice.more
    )
    if notice.next_at is not None:
        args = MoreRejects(sender=sender, reason=reason)
        unit.enqueue(notify_of_more, args, key=f"{sender} {reason}", at=notice.next_at)


async def _notify(event: Rejection, more: int, unit: Unit) -> None:
    data = event.data.model_copy(update={"more": more})
    said = Event(event.id, event.source, event.type, event.subject, event.time, data)
    await notify_reseller(said, data.sender, unit)


def _event(row: Any) -> Rejection:
    data = EventRejected(
        sender=row["sender"], source=row["source"], id=row["event_id"], type=row["type"], service=row["service"],
        reason=row["reason"], detail=row["detail"],
    )  # fmt: skip
    source = f"/vicino/{row['service']}"
    return Event(str(row["id"]), source, data.wire_type, row["tenant_id"], row["at"], data)
