"""The chassis' statements (`queries.sql`), typed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.chassis.database import Connection, load_queries
from services.chassis.failing_limits import FailingLimits
from services.chassis.pending import Cancelled, Fact, JobRow, bounded

QUERIES = Path(__file__).parent / "queries.sql"
_sql = load_queries(QUERIES)

LEASING_TIMEOUT = "5s"
"""How long a copy that is paused in the middle of leasing holds up the others."""

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Log:
    """One partition of one incarnation of a topic: a re-created topic is another log."""

    topic: str
    part: int
    log_id: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be acted on. Header values are base64."""

    log: Log
    offset: int
    tenant_id: str | None
    reason: str
    detail: str
    key: bytes | None
    raw: bytes | None
    headers: Sequence[tuple[str, str | None]] = ()


async def lock_fence(db: Connection, log: Log) -> int:
    """Take the fence of a log; returns its next offset. Waits for whoever holds it."""
    found = await _sql.lock_fence(db, topic=log.topic, part=log.part, log_id=log.log_id)
    if found is None:
        await _sql.ensure_fence(db, topic=log.topic, part=log.part, log_id=log.log_id)
        found = await _sql.lock_fence(db, topic=log.topic, part=log.part, log_id=log.log_id)
    return int(found)


async def move_fence(db: Connection, log: Log, next_offset: int) -> None:
    """Record that everything below `next_offset` has had its effect."""
    await _sql.move_fence(
        db, topic=log.topic, part=log.part, log_id=log.log_id, next_offset=next_offset
    )


async def next_offsets(db: Connection) -> dict[Log, int]:
    """How far each log has had its effect, of those that anything was read of."""
    return {
        Log(row["topic"], row["part"], row["log_id"]): row["next_offset"]
        async for row in _sql.next_offsets(db)
    }


async def next_offset(db: Connection, log: Log) -> int:
    """Where a log stands; 0 for one never seen."""
    return int(await _sql.next_offset(db, topic=log.topic, part=log.part, log_id=log.log_id) or 0)


async def record_gap(db: Connection, log: Log, first: int, last: int, reason: str) -> None:
    """Record offsets that will never be seen here (`retention`, `hole`), both inclusive."""
    await _sql.record_gap(
        db,
        topic=log.topic,
        part=log.part,
        log_id=log.log_id,
        from_offset=first,
        to_offset=last,
        reason=reason,
    )


async def remember_events(db: Connection, hashes: dict[UUID, int]) -> set[UUID]:
    """Take events into the inbox; returns those that were new."""
    rows = _sql.remember_events(db, event_keys=list(hashes), content_hashes=list(hashes.values()))
    return {_uuid(row["event_key"]) async for row in rows}


async def known_events(db: Connection, keys: Iterable[UUID]) -> dict[UUID, int]:
    """What the inbox holds of these keys: the hash of each one's content."""
    rows = _sql.known_events(db, event_keys=list(keys))
    return {_uuid(row["event_key"]): row["content_hash"] async for row in rows}


async def known_before_principals(db: Connection, keys: Iterable[UUID]) -> dict[UUID, int]:
    """What the inbox holds of these keys from before principals were part of them; nothing once that time is over."""
    rows = _sql.known_before_principals(db, event_keys=list(keys))
    return {_uuid(row["event_key"]): row["content_hash"] async for row in rows}


async def forget_events(db: Connection, keys: Iterable[UUID]) -> None:
    """Let rejected events come again."""
    await _sql.forget_events(db, event_keys=list(keys))


async def prune_inbox(db: Connection, days: int, limit: int) -> int:
    """Drop at most `limit` ids older than the window; returns how many."""
    return int(await _sql.prune_inbox(db, days=days, limit=limit))


async def end_keys_before(db: Connection, days: int) -> None:
    """Look no more for keys without a principal, once the inbox holds none."""
    await _sql.end_keys_before(db, days=days)


async def keep_rejects(db: Connection, rejects: Sequence[Reject]) -> None:
    """Keep records that could not be acted on, whole."""
    await _sql.keep_rejects(
        db, topics=[reject.log.topic for reject in rejects], parts=[reject.log.part for reject in rejects],
        log_ids=[reject.log.log_id for reject in rejects], positions=[reject.offset for reject in rejects],
        tenants=[reject.tenant_id for reject in rejects], reasons=[reject.reason for reject in rejects],
        details=[reject.detail for reject in rejects], keys=[reject.key for reject in rejects],
        raws=[reject.raw for reject in rejects],
        headers=[msgspec.json.encode(reject.headers).decode() for reject in rejects],
    )  # fmt: skip


async def prune_rejects(db: Connection, days: int, limit: int) -> int:
    """Drop at most `limit` rejects that are older than that; returns how many."""
    return int(await _sql.prune_rejects(db, days=days, limit=limit))


async def oldest_reject_seconds(db: Connection) -> float:
    """For how long the oldest reject has been kept."""
    return float(await _sql.oldest_reject(db))


async def make_due(db: Connection, kind: str, limit_name: str, now: datetime) -> int:
    """Let jobs that wait be tried at once, with all their attempts: what they failed for has changed. Returns how many."""
    count = int(await _sql.make_due(db, kind=kind, limit_name=limit_name, now=now))
    await notify(db, "jobs")
    return count


async def add_facts(db: Connection, facts: Sequence[Fact]) -> None:
    """Put facts into the outbox and wake the relay at commit."""
    await _sql.add_facts(
        db,
        ids=[fact.id for fact in facts],
        topics=[fact.topic for fact in facts],
        subjects=[fact.subject for fact in facts],
        types=[fact.type for fact in facts],
        keys=[fact.key for fact in facts],
        payloads=[fact.payload for fact in facts],
        headers=[msgspec.json.encode(fact.headers).decode() for fact in facts],
    )
    await notify(db, "outbox")


async def job_places(db: Connection, n: int) -> list[int]:
    """Places in the order of jobs, for `n` jobs, the first first."""
    return sorted(row["seq"] for row in await collect(_sql.job_places(db, n=n)))


async def add_jobs(db: Connection, jobs: Sequence[tuple[JobRow, int]]) -> None:
    """Write jobs, each at its place in the order, one after the other without waiting in between."""
    if not jobs:
        return
    await _sql.add_jobs(db, [
        {
            "id": job.id, "kind": job.kind, "key": job.key, "args": job.args, "run_at": job.run_at, "seq": seq,
            "lane": job.lane, "limit_name": bounded(job.limit.name) if job.limit else "",
            "limit_places": job.limit.places if job.limit else None, "party": job.party,
            "correlation_id": job.correlation_id, "causation_id": job.causation_id,
        }
        for job, seq in jobs
    ])  # fmt: skip


async def cancel_job(db: Connection, job: Cancelled) -> None:
    """Remove a keyed job."""
    await _sql.cancel_job(db, kind=job.kind, key=job.key)


async def notify(db: Connection, what: str) -> None:
    """Wake whoever of this service waits for `outbox` or `jobs`, when the transaction commits."""
    await _sql.notify(db, what=what)


async def collect(found: Any) -> list[asyncpg.Record]:
    """All rows of a many-row query."""
    return [row async for row in found]


def _uuid(value: Any) -> UUID:
    """asyncpg's own UUID class equals, but does not hash as fast as, the standard one."""
    return UUID(int=value.int)


async def try_relay_lock(db: Connection) -> bool:
    """Whether this transaction is now the service's only relay."""
    return bool(await _sql.try_relay_lock(db))


async def oldest_facts(db: Connection, limit: int) -> list[asyncpg.Record]:
    """The facts to send next, in order."""
    return await collect(_sql.oldest_facts(db, limit=limit))


async def remove_facts(db: Connection, seqs: list[int]) -> None:
    """Forget facts that Kafka has."""
    await _sql.remove_facts(db, seqs=seqs)


async def outbox_size(db: Connection) -> int:
    """How many facts wait."""
    return int(await _sql.outbox_size(db))


async def lease_jobs(
    db: Connection,
    room: dict[str, int],
    lease_seconds: dict[str, float],
    failing: FailingLimits,
    now: datetime,
) -> list[asyncpg.Record]:
    """Lease due jobs, at most `room` of each kind, as their limits have places: one that fails has one, or rests."""
    kinds = list(room)
    async with db.transaction():
        await _sql.lock_leasing(db, timeout=LEASING_TIMEOUT)
        found = _sql.lease_jobs(
            db,
            kinds=kinds,
            room=[room[kind] for kind in kinds],
            lease_seconds=[lease_seconds[kind] for kind in kinds],
            trying=failing.trying(),
            resting=failing.resting(),
            now=now,
        )
        return await collect(found)


async def remove_job(db: Connection, job_id: UUID, token: UUID) -> bool:
    """End a job; False when the lease is no longer ours."""
    return await _sql.remove_job(db, id=job_id, lease_token=token) is not None


async def retry_job(
    db: Connection, job_id: UUID, token: UUID, run_at: datetime, error: str, now: datetime
) -> None:
    """Give a job back until `run_at`."""
    await _sql.retry_job(db, id=job_id, lease_token=token, run_at=run_at, last_error=error, now=now)


async def note_delay_told(db: Connection, job_id: UUID, token: UUID) -> bool:
    """Note that those who wait for a job know that it fails; False when the lease is no longer ours, or they knew."""
    return await _sql.note_delay_told(db, id=job_id, lease_token=token) is not None


async def postpone_job(
    db: Connection, job_id: UUID, token: UUID, run_at: datetime, why: str, now: datetime
) -> None:
    """Give a job back untried until `run_at`, with the reason why it waits."""
    await _sql.postpone_job(
        db, id=job_id, lease_token=token, run_at=run_at, last_error=why, now=now
    )


async def release_job(db: Connection, job_id: UUID, token: UUID) -> None:
    """Give a job back untried."""
    await _sql.release_job(db, id=job_id, lease_token=token)


async def fail_job(db: Connection, job_id: UUID, token: UUID, error: str) -> None:
    """Keep a job whose attempts are used up."""
    await _sql.fail_job(db, id=job_id, lease_token=token, last_error=error)


async def job_counts(db: Connection, now: datetime) -> list[asyncpg.Record]:
    """Jobs by kind: due, later, failed."""
    return await collect(_sql.job_counts(db, now=now))


async def list_jobs(db: Connection, state: str, limit: int) -> list[asyncpg.Record]:
    """Jobs in a state, the oldest first."""
    return await collect(_sql.list_jobs(db, state=state, limit=limit))


async def retry_failed(db: Connection, ids: list[UUID]) -> int:
    """Give failed jobs all their attempts again; returns how many had failed."""
    return len(await collect(_sql.retry_failed(db, ids=ids)))


async def try_now(db: Connection, ids: list[UUID]) -> int:
    """Make jobs that fail and wait due at once; returns how many did."""
    return len(await collect(_sql.try_now(db, ids=ids)))


async def failing_jobs(db: Connection, kind: str, limit: int) -> list[asyncpg.Record]:
    """Jobs of a kind that fail and are retried, the oldest first."""
    return await collect(_sql.failing_jobs(db, kind=kind, limit=limit))


async def list_rejects(
    db: Connection, reason: str | None, limit: int, *, settled: bool = True
) -> list[asyncpg.Record]:
    """The newest rejects, of one reason or of all; without the settled ones, if not wanted."""
    return await collect(_sql.list_rejects(db, reason=reason, settled=settled, limit=limit))


async def dismiss_rejects(db: Connection, ids: list[int], because: str) -> int:
    """Settle rejects that need not be sent again; returns how many were not settled before."""
    return len(await collect(_sql.dismiss_rejects(db, ids=ids, because=because)))


async def lock_rejects(db: Connection, ids: list[int], reason: str | None) -> list[asyncpg.Record]:
    """Rejects not settled yet, by id or by reason."""
    return await collect(_sql.lock_rejects(db, ids=ids, reason=reason))


async def mark_replayed(db: Connection, ids: list[int]) -> None:
    """Record that these rejects were sent again."""
    await _sql.mark_replayed(db, ids=ids)


async def count_rejects(db: Connection) -> dict[str, int]:
    """Rejects by reason."""
    return {row["reason"]: row["n"] for row in await collect(_sql.count_rejects(db))}
