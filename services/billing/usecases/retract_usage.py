"""Retract usage: an event that was counted counts no more, and what was billed of it is given back."""

from datetime import UTC, datetime, timedelta

from schemas.billing import UsageRetracted
from schemas.reasons import Reason
from services.billing import store
from services.billing.domain.periods import civil_day
from services.billing.metering.arrivals import Arrival, sender_name
from services.billing.metering.checks import rebuild
from services.billing.metering.reading import Span, events
from services.billing.metering.store import sql as metering
from services.billing.usecases.query_usage import NotKnown
from services.chassis.unit import Unit

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class RetractionRefused(LookupError):
    """No event can be taken back; `reason` is its code."""

    reason = Reason.NO_SUCH_USAGE


async def retract_usage(
    tenant_id: str, source: str, event_id: str, reason: str, unit: Unit, sender: str | None = None
) -> bool:
    """Take back the event of a source and id; returns whether it counted until now.

    The day it happened on is added up again without it, while nothing else of the tenant is counted; a month that is
    invoiced is rated again by the next run. Raises `NotKnown`, `RetractionRefused` for an event that is not there, or of
    which several senders have one, and `RawGone` where its day cannot be added up any more.
    """
    tenant = await store.lock_if_known(unit.db, tenant_id)
    if tenant is None:
        raise NotKnown("no such tenant")
    span = Span(EARLIEST, unit.now + timedelta(days=1))
    found = [
        event
        async for arrivals, _ in events(unit.db, {tenant.no: span}, with_retracted=True)
        for event in arrivals
        if sender_name(event.raw) == (source, event_id) and sender in (None, event.principal)
    ]
    event = _the_one(found)
    is_new = await metering.add_retraction(
        unit.db, tenant_no=tenant.no, key=event.key, source=source, event_id=event_id, sender=event.principal,
        happened_at=event.at, reason=reason, stored_at=unit.now,
    )  # fmt: skip
    if not is_new:
        return False
    day = civil_day(event.at, tenant.zone)
    await rebuild(unit.db, tenant_id, day, day + timedelta(1))
    fact = UsageRetracted(
        source=source, id=event_id, sender=event.principal, happened_at=event.at, service_id=event.said.service_id,
        meter=event.said.meter, reason=reason,
    )  # fmt: skip
    unit.publish(fact, subject=tenant_id)
    return True


def _the_one(found: list[Arrival]) -> Arrival:
    if not found:
        raise RetractionRefused("no event of this source and id was counted")
    if len({event.key for event in found}) > 1:
        senders = ", ".join(sorted(str(event.principal) for event in found))
        raise RetractionRefused(f"several senders have one: say which of {senders}")
    return found[0]
