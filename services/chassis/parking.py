"""Records that wait for what they build on.

A record may be read before its predecessor has had its effect: another topic is behind, a job has yet to run, or the
database was restored to an earlier point and everything since is read again. Such a record is kept whole and its
partition goes on. It is tried again, before anything newer of its subject in its topic is acted on, and by time. After a
bound it becomes a reject, with the reason it would have had at once.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection

import asyncpg
import msgspec

from services.chassis import store
from services.chassis.database import Connection, load_queries
from services.chassis.engine.batches import Record
from services.chassis.store import Log, collect
from services.chassis.unit import Rejected

_sql = load_queries(store.QUERIES)

PARKED_OF_SUBJECT_MAX = 100
"""Of one subject in one topic: each is tried whenever more comes for it. One that finds no room is rejected at once."""

FIRST_TRY_SECONDS, TRY_SECONDS_MAX = 0.2, 30.0
WAIT_SHARE = 0.5
"""A record is tried again after another half of the time for which it has waited."""

DUE_SUBJECTS_MAX = 100


class Missing(Rejected):
    """A handler lacks what its record builds on: the record waits, and is refused with this reason after the bound."""


async def park(db: Connection, log: Log, record: Record, subject: str, reason: str) -> bool:
    """Keep a record that waits; False when too many of its subject do."""
    headers = [
        (name, None if value is None else b64encode(value).decode())
        for name, value in record.headers
    ]
    found = await _sql.park(
        db, topic=log.topic, part=log.part, log_id=log.log_id, position=record.offset, written_ms=record.timestamp,
        subject=subject, reason=reason, key=record.key, raw=record.value,
        headers=msgspec.json.encode(headers).decode(), limit=PARKED_OF_SUBJECT_MAX,
    )  # fmt: skip
    return found is not None


async def waiting(db: Connection, topic: str, subjects: Collection[str]) -> list[asyncpg.Record]:
    """What waits of some subjects of a topic, held, in the order in which it came."""
    return await collect(_sql.lock_parked(db, topic=topic, subjects=list(subjects)))


async def due(db: Connection) -> list[tuple[str, str]]:
    """Topic and subject of what is due to be tried again."""
    return [
        (row["topic"], row["subject"])
        for row in await collect(_sql.due_parked(db, limit=DUE_SUBJECTS_MAX))
    ]


async def wait_on(db: Connection, row: asyncpg.Record) -> None:
    """Let a record wait on: the longer it has waited, the longer until the next try."""
    seconds = min(TRY_SECONDS_MAX, max(FIRST_TRY_SECONDS, row["waited_seconds"] * WAIT_SHARE))
    await _sql.wait_on(db, id=row["id"], seconds=seconds)


async def let_go(db: Connection, row: asyncpg.Record) -> None:
    """End a wait: the record has acted, or is a reject."""
    await _sql.unpark(db, id=row["id"])


async def oldest_seconds(db: Connection) -> float:
    """For how long the oldest record has waited."""
    return float(await _sql.oldest_parked(db))


def record_of(row: asyncpg.Record) -> Record:
    """The record as it was read."""
    headers = tuple(
        (name, None if value is None else b64decode(value)) for name, value in row["headers"]
    )
    return Record(
        row["topic"],
        row["part"],
        row["position"],
        row["written_ms"],
        row["key"],
        row["raw"],
        headers,
    )


def log_of(row: asyncpg.Record) -> Log:
    """Where the record was read."""
    return Log(row["topic"], row["part"], row["log_id"])
