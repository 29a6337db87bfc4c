"""Counting usage: one slice of a partition, set by set, in the slice's transaction.

1. Every record is read; what cannot be is rejected with its reason. 2. The tenants are held shared, so that no invoice
closes meanwhile. 3. Each event is judged: countable, to be parked (its service is not known yet), or rejected.
4. What is new is counted; what is not is a duplicate, or, with other content, a reject. 5. The account of outcomes is
written. Committed together with the offset: sent = counted + duplicates + rejected + parked, exactly.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from schemas.catalogue import Plan
from schemas.envelope import Event, Malformed, decode
from schemas.topics import USAGE
from schemas.usage import UsageRecorded
from services.billing import metrics, store
from services.billing.domain.usage import Service, Window, judge
from services.billing.store import sql
from services.chassis import store as chassis_store
from services.chassis.database import Connection
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.store import Log, rows

LATE_DAYS_MAX = 35
"""Usage older than this is rejected; the topic keeps as long."""

EARLY_MAX = timedelta(minutes=5)
ID_REUSE = "id_reuse"
PARKED_PART = -1
"""The account's row for events that were parked first."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A usage event that was read, and the hashes it is known by."""

    log: Log
    offset: int
    event: Event[UsageRecorded]
    raw: bytes
    key: UUID
    payload_hash: int


@dataclass(slots=True)
class Account:
    """What became of each record."""

    tally: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, outcome: str, reason: str = "") -> None:
        """One more."""
        self.tally[(outcome, reason)] += 1

    async def write(self, db: Connection, part: int) -> None:
        """Into the account of the partition, and the metrics."""
        entries = list(self.tally.items())
        if not entries:
            return
        await sql.add_tally(
            db, part=part, outcomes=[outcome for (outcome, _), _ in entries],
            reasons=[reason for (_, reason), _ in entries], ns=[n for _, n in entries],
        )  # fmt: skip
        for (outcome, reason), n in entries:
            metrics.USAGE.labels(outcome, reason).inc(max(n, 0))  # what leaves the parked ones is counted elsewhere


def read(raw: bytes, log: Log, offset: int) -> Arrival:
    """Read a usage event. Raises `Malformed`."""
    event = decode(raw)
    data = event.data
    if not isinstance(data, UsageRecorded):
        raise Malformed("unknown_type", "only usage is read here")
    name = "\x1f".join((event.subject, event.source, event.id)).encode()
    content = "\x1f".join((event.type, event.time.isoformat(), data.model_dump_json())).encode()
    return Arrival(
        log, offset, event, raw, UUID(bytes=blake2b(name, digest_size=16).digest()),  # type: ignore[arg-type]
        int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True),
    )  # fmt: skip


async def usage_slice(piece: Slice, unit: SliceUnit) -> None:
    """Count a slice of usage, each event once."""
    account, arrivals = Account(), []
    for record in piece.records:
        try:
            arrivals.append(read(record.value or b"", piece.log, record.offset))
        except Malformed as fault:
            account.add("rejected", fault.reason)
            await unit.reject(record, fault.reason, fault.detail)
    records = {record.offset: record for record in piece.records}
    for arrival, reason in await take(unit.db, arrivals, unit.now, account):
        account.add("rejected", reason)
        await unit.reject(records[arrival.offset], reason, EXPLAINED.get(reason, reason), arrival.event.subject)
    await account.write(unit.db, piece.log.part)


EXPLAINED = {
    ID_REUSE: "this id came before with other content",
    "wrong_tenant": "the service belongs to another tenant",
    "meter_unknown": "the service's plan has no such meter",
    "wrong_value": "the meter wants a quantity, or a value, and got the other",
    "in_future": "it would have happened in the future",
    "too_late": "it happened before the accepted horizon",
    "before_activation": "the service was not active yet",
    "period_closed": "its period is invoiced",
}


async def take(
    db: Connection, arrivals: Sequence[Arrival], now: datetime, account: Account
) -> list[tuple[Arrival, str]]:
    """Judge and count; returns what is to be rejected, with the reason."""
    if not arrivals:
        return []
    rejected: list[tuple[Arrival, str]] = []
    first = await _first_of_each(arrivals, rejected, account)
    known = await _knowledge(db, first)
    countable, parked = [], []
    for arrival in first:
        verdict = judge(arrival.event, known.get(arrival.event.data.service_id), _window(now))
        if verdict is None:
            countable.append(arrival)
        elif verdict == "unknown":
            parked.append(arrival)
        else:
            rejected.append((arrival, verdict))
    await _insert(db, countable, store.count_usage, "counted", rejected, account)
    await _insert(db, parked, store.park_usage, "parked", rejected, account)
    return rejected


def _window(now: datetime) -> Window:
    return Window(now - timedelta(days=LATE_DAYS_MAX), now + EARLY_MAX)


async def _first_of_each(
    arrivals: Sequence[Arrival], rejected: list[tuple[Arrival, str]], account: Account
) -> list[Arrival]:
    """Events that come twice in one slice count once; with other content the second is refused."""
    first: dict[UUID, Arrival] = {}
    for arrival in arrivals:
        kept = first.setdefault(arrival.key, arrival)
        if kept is arrival:
            continue
        if kept.payload_hash == arrival.payload_hash:
            account.add("duplicate")
        else:
            rejected.append((arrival, ID_REUSE))
    return list(first.values())


async def _knowledge(db: Connection, arrivals: Sequence[Arrival]) -> dict[str, Service]:
    """What is known of the services, their tenants held shared."""
    tenants = {
        row["id"]: row for row in await rows(sql.share_tenants(db, ids=sorted({a.event.subject for a in arrivals})))
    }
    meters = await store.meters(db)
    found = await rows(sql.services_by_id(db, ids=sorted({a.event.data.service_id for a in arrivals})))
    known = {}
    for row in found:
        plan = Plan.model_validate(row["plan"])
        owner: Any = tenants.get(row["tenant_id"])
        closed = owner["closed_until"] if owner is not None else row["activated_at"]
        counted = {price.meter: meters[price.meter].aggregation for price in plan.usage if price.meter in meters}
        known[row["id"]] = Service(row["tenant_id"], row["activated_at"], closed, counted)
    return known


async def _insert(
    db: Connection,
    arrivals: Sequence[Arrival],
    insert: Any,
    outcome: str,
    rejected: list[tuple[Arrival, str]],
    account: Account,
) -> None:
    """Insert what is new; what is not is a duplicate, or a reuse of its id."""
    if not arrivals:
        return
    new = await insert(db, arrivals)
    old = [arrival for arrival in arrivals if arrival.key not in new]
    hashes = await store.counted_hashes(db, [arrival.key for arrival in old]) if old else {}
    for arrival in arrivals:
        if arrival.key in new:
            account.add(outcome)
        elif hashes.get(arrival.key) == arrival.payload_hash:
            account.add("duplicate")
        else:
            rejected.append((arrival, ID_REUSE))


async def count_parked(db: Connection, service_id: str, now: datetime) -> None:
    """Count what waited for a service; what must be rejected after all is kept where it came from."""
    waiting = await rows(sql.take_parked(db, service_id=service_id))
    found = [read(row["raw"], Log(USAGE.name, row["part"], row["log_id"]), row["position"]) for row in waiting]
    account = Account()
    account.tally[("parked", "")] -= len(found)
    for arrival, reason in await take(db, found, now, account):
        account.add("rejected", reason)
        await chassis_store.keep_reject(
            db,
            arrival.log,
            arrival.offset,
            arrival.event.subject,
            reason,
            EXPLAINED.get(reason, reason),
            None,
            arrival.raw,
            [],
        )
    await account.write(db, PARKED_PART)
