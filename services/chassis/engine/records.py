"""Record handlers: one event, one call, in order; the ids acted on are remembered, so that a fact acts once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from uuid import UUID

import asyncpg

from schemas.envelope import Event, Malformed, Payload, Wire, peek, typed
from schemas.identity import event_name
from schemas.reasons import Reason
from services.chassis import metrics, parking, store
from services.chassis.database import error_text, is_infrastructure
from services.chassis.engine.batches import Record
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.parking import Missing
from services.chassis.unit import Cause, Parcel, Rejected, Unit

Handler = Callable[[Event[Any], Unit], Awaitable[None]]
Routes = Mapping[type[Payload], Handler]


def on(
    payload: type[Payload], handler: Callable[[Event[Any], Unit], Awaitable[None]]
) -> tuple[type[Payload], Handler]:
    """Route one event type to its handler."""
    return payload, handler


def routes(*pairs: tuple[type[Payload], Handler]) -> dict[type[Payload], Handler]:
    """The routing table of a service. Raises `ValueError` when a type is routed twice."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("an event type is routed twice")
    return table


class Careful(Exception):
    """A handler refused a record: the slice is done again, each handler under a savepoint."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A record that was read: its event, and what the inbox knows it by."""

    record: Record
    event: Event[Payload]
    key: UUID
    content_hash: int


@dataclass(slots=True)
class ReadSlice:
    """What reading a slice gave."""

    arrivals: list[ReceivedEvent] = field(default_factory=list)
    malformed: list[tuple[Record, Malformed]] = field(default_factory=list)


def read(piece: Slice, table: Routes) -> ReadSlice:
    """Read the events that have a handler; pass over other known types; set aside what cannot be read."""
    wanted = {payload.wire_type for payload in table}
    reading = ReadSlice()
    for record in piece.records:
        try:
            wire = peek(record.value or b"")
            if wire.type in wanted:
                reading.arrivals.append(_arrival(record, wire))
            elif not wire.type.startswith("vicino."):
                raise Malformed(Reason.UNKNOWN_TYPE, "not one of ours")
        except Malformed as fault:
            reading.malformed.append((record, fault))
    return reading


def _arrival(record: Record, wire: Wire) -> ReceivedEvent:
    event = typed(wire)
    content = blake2b(wire.type.encode() + b"\x00" + bytes(wire.data), digest_size=8).digest()
    key = _key(event_name(wire.subject, wire.source, wire.id, wire.principal))
    return ReceivedEvent(record, event, key, int.from_bytes(content, "big", signed=True))


def _key(name: str) -> UUID:
    return UUID(bytes=blake2b(name.encode(), digest_size=16).digest())


def key_before(event: Event[Payload]) -> UUID:
    """What the inbox knew an event by before principals were part of its name."""
    return _key(event_name(event.subject, event.source, event.id))


async def handle_records(piece: Slice, unit: SliceUnit, table: Routes, *, careful: bool) -> None:
    """Act on a slice, once per event. Raises `Careful` when a handler refuses and savepoints are not yet in use."""
    reading = read(piece, table)
    for record, fault in reading.malformed:
        unit.reject(record, fault.reason, fault.detail)
    if unit.wait_seconds_max:
        subjects = {arrival.event.subject for arrival in reading.arrivals}
        for row in await parking.waiting(unit.db, piece.topic.name, subjects) if subjects else []:
            # A record of another log of the topic is refused as what it is, not as one of this slice.
            if parking.log_of(row) == piece.log:
                await handle_waiting(row, unit, table)
    fresh = await _fresh(reading.arrivals, unit)
    if not careful:
        await _plain(fresh, unit, table)
        return
    for arrival in fresh:
        await _guarded(arrival, unit, table)


async def _fresh(arrivals: list[ReceivedEvent], unit: SliceUnit) -> list[ReceivedEvent]:
    """Those that have not acted before. The same id with other content is refused."""
    arrivals = await _not_before(arrivals, unit)
    if not arrivals:
        return []
    first: dict[UUID, ReceivedEvent] = {}
    for arrival in arrivals:
        first.setdefault(arrival.key, arrival)
    new = await store.remember_events(
        unit.db, {key: arrival.content_hash for key, arrival in first.items()}
    )
    seen = await store.known_events(unit.db, first.keys() - new) if len(new) < len(first) else {}
    fresh = []
    for arrival in arrivals:
        if arrival.key in new and first[arrival.key] is arrival:
            fresh.append(arrival)
        elif seen.get(arrival.key, first[arrival.key].content_hash) == arrival.content_hash:
            continue
        elif is_our_own(arrival.event):
            metrics.TOLD_AGAIN.labels(arrival.event.data.topic.name).inc()
        else:
            unit.reject(
                arrival.record,
                Reason.ID_REUSE,
                "this id came before with other content",
                arrival.event.subject,
            )
    return fresh


def is_our_own(event: Event[Payload]) -> bool:
    """Whether a fact comes from the service that writes its topic, not from a door.

    The id of such a fact is made from its cause and its type. The same id is the same fact told again, as after a restore
    of the writer's database, though the instants in it may be others. What was told first holds.
    """
    return event.principal is None and event.source in {
        f"/vicino/{name}" for name in event.data.topic.writers
    }


async def _not_before(arrivals: list[ReceivedEvent], unit: SliceUnit) -> list[ReceivedEvent]:
    """Those that did not act before principals were part of names; any principal counts as the sender of that time."""
    before = {
        key_before(arrival.event): arrival
        for arrival in arrivals
        if arrival.event.principal is not None
    }
    known = await store.known_before_principals(unit.db, before) if before else {}
    if not known:
        return arrivals
    found = []
    for arrival in arrivals:
        said = known.get(key_before(arrival.event)) if arrival.event.principal is not None else None
        if said is None:
            found.append(arrival)
        elif said != arrival.content_hash:
            unit.reject(
                arrival.record,
                Reason.ID_REUSE,
                "this id came before with other content",
                arrival.event.subject,
            )
    return found


def _unit_of(arrival: ReceivedEvent, unit: SliceUnit, parcel: Parcel) -> Unit:
    return Unit(unit.db, unit.service, unit.now, Cause.of(arrival.event), parcel)


async def _plain(arrivals: list[ReceivedEvent], unit: SliceUnit, table: Routes) -> None:
    """Call the handlers in the slice's transaction: fast, as long as nobody refuses."""
    parcel = Parcel()
    try:
        for arrival in arrivals:
            await table[type(arrival.event.data)](arrival.event, _unit_of(arrival, unit, parcel))
        await parcel.write(unit.db, unit.now)
    except Exception as error:
        if is_infrastructure(error):
            raise
        raise Careful from error


async def _guarded(arrival: ReceivedEvent, unit: SliceUnit, table: Routes) -> None:
    """Call the handler under a savepoint: if it refuses, or says what cannot be written, its neighbours go on."""
    parcel = Parcel()
    try:
        async with unit.db.transaction():
            await table[type(arrival.event.data)](arrival.event, _unit_of(arrival, unit, parcel))
            await parcel.write(unit.db, unit.now)
    except Exception as error:
        if is_infrastructure(error):
            raise
        if await _waits(arrival, unit, error):
            return
        await store.forget_events(unit.db, [arrival.key])
        unit.reject(arrival.record, *reason_of(error), arrival.event.subject)


async def _waits(arrival: ReceivedEvent, unit: SliceUnit, error: Exception) -> bool:
    """Whether a record waits for what it builds on; its id stays in the inbox meanwhile."""
    if not isinstance(error, Missing) or not unit.wait_seconds_max:
        return False
    if not await parking.park(
        unit.db, unit.log, arrival.record, arrival.event.subject, error.reason
    ):
        return False
    metrics.PARKED.labels(unit.log.topic, error.reason).inc()
    return True


async def handle_waiting(row: asyncpg.Record, unit: SliceUnit, table: Routes) -> None:
    """Try again a record that waits: it acts, waits on, or is refused when its time is over."""
    record = parking.record_of(row)
    try:
        arrival = _arrival(record, peek(record.value or b""))
    except Malformed as fault:  # another build could read it
        unit.reject(record, fault.reason, fault.detail, row["subject"])
        await parking.let_go(unit.db, row)
        return
    parcel = Parcel()
    try:
        async with unit.db.transaction():
            await table[type(arrival.event.data)](arrival.event, _unit_of(arrival, unit, parcel))
            await parcel.write(unit.db, unit.now)
    except Exception as error:
        if is_infrastructure(error):
            raise
        if isinstance(error, Missing) and row["waited_seconds"] < unit.wait_seconds_max:
            await parking.wait_on(unit.db, row)
            return
        await store.forget_events(unit.db, [arrival.key])
        unit.reject(record, *reason_of(error), arrival.event.subject)
    await parking.let_go(unit.db, row)


def reason_of(error: Exception) -> tuple[str, str]:
    """What a reject row says."""
    return (
        (error.reason, error.detail)
        if isinstance(error, Rejected)
        else (Reason.HANDLER_FAILED, error_text(error))
    )
