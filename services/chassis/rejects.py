"""What was set aside: operators look at rejects and failed jobs, and send them again; rejects go when their time is over."""

from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka.errors import TopicAuthorizationFailedError

from schemas.envelope import Malformed, peek
from services.chassis import metrics, store
from services.chassis.database import Connection, connect
from services.chassis.kafka_login import KafkaServers
from services.chassis.pending import Fact, FactTooLarge
from services.chassis.producer import Producer
from services.chassis.producer_line import Message
from services.chassis.texts import bounded

PRUNED_AT_ONCE = 10_000
DAY_SECONDS = 86_400
SENT_AT_ONCE = 500
SEND_TIMEOUT_SECONDS = 15.0


async def prune(db: Connection, days: int) -> int:
    """Drop rejects that are older than so many days, sent again or not; returns how many."""
    gone, at_once = 0, PRUNED_AT_ONCE
    while at_once == PRUNED_AT_ONCE:
        at_once = await store.prune_rejects(db, days, PRUNED_AT_ONCE)
        gone += at_once
    return gone


async def measure(db: Connection, days: int) -> None:
    """Measure for how long the oldest reject should be gone."""
    overdue = await store.oldest_reject_seconds(db) - days * DAY_SECONDS
    metrics.REFUSED_OVERDUE.labels("rejects").set(max(0.0, overdue))


class CannotReplay(RuntimeError):
    """A reject cannot be sent again as it is."""


@asynccontextmanager
async def _opened(url: str, service: str) -> AsyncIterator[Connection]:
    connection = await connect(url, service, f"vicino-{service}-operator")
    try:
        yield connection
    finally:
        await connection.close()


async def listed(
    url: str, service: str, reason: str | None, limit: int, *, settled: bool = False
) -> list[dict[str, Any]]:
    """Rejects, newest first: what was said, by whom, why it was refused, and where it stood. Their content stays here."""
    async with _opened(url, service) as db:
        found = await store.list_rejects(db, reason, limit, settled=settled)
    return [_shown(row) for row in found]


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    try:
        said = peek(row["raw"] or b"")
    except Malformed:
        said = None
    return {
        "id": row["id"],
        "sender": said and said.principal,
        "tenant": row["tenant_id"] or (said and said.subject),
        "type": said and said.type,
        "source": said and said.source,
        "event": said and said.id,
        "reason": row["reason"],
        "detail": row["detail"],
        "place": f"{row['topic']}/{row['part']}/{row['position']}",
        "first_seen": row["first_seen"],
        "sent_again": row["replayed_at"],
        "dismissed": row["dismissed_because"],
    }


async def dismiss(url: str, service: str, ids: list[int], because: str) -> int:
    """Settle rejects that need not be sent again, and keep why; returns how many were not settled before."""
    async with _opened(url, service) as db:
        return await store.dismiss_rejects(db, ids, bounded(because))


async def replay(
    url: str,
    service: str,
    ids: list[int],
    reason: str | None,
    kafka: KafkaServers | str,
    prefix: str = "",
) -> int:
    """Send rejects again to their topic, once; returns how many. A service only reads that topic: the login is people's.

    Killed between sending and marking, they will be sent again: their ids are the same, and readers act once.
    Raises `CannotReplay`, and sends none, when one of them is larger than a message of ours may be; also when the login
    may not write there. Raises `KafkaError` or `TimeoutError` when Kafka is unavailable.
    """
    producer = Producer(kafka, prefix, f"vicino-{service}-replay")
    async with _opened(url, service) as db, db.transaction():
        found = await store.lock_rejects(db, ids, reason)
        messages = [_again(row) for row in found]
        try:
            for chunk in _chunks(messages, SENT_AT_ONCE):
                await producer.send_all(chunk, SEND_TIMEOUT_SECONDS)
        except TopicAuthorizationFailedError as error:
            names = ", ".join(sorted({row["topic"] for row in found}))
            raise CannotReplay(
                f"this Kafka login may not write to {names}: use the operator's"
            ) from error
        finally:
            await producer.stop()
        await store.mark_replayed(db, [row["id"] for row in found])
    return len(messages)


def _chunks(messages: Sequence[Message], size: int) -> Iterator[Sequence[Message]]:
    """Messages in their order, so many at a time."""
    return (messages[start : start + size] for start in range(0, len(messages), size))


def _again(row: asyncpg.Record) -> Message:
    headers = [
        (name, None if value is None else b64decode(value)) for name, value in row["headers"]
    ]
    try:
        fact = Fact(uuid4(), row["topic"], "", "replay", row["key"] or b"", row["raw"], headers)
    except FactTooLarge as error:
        raise CannotReplay(f"reject {row['id']} of {row['topic']}: {error}") from None
    return fact.topic, fact.key, fact.payload, fact.headers


JOB_COLUMNS = (
    "id",
    "kind",
    "key",
    "limit_name",
    "failing_since",
    "run_at",
    "attempt",
    "last_error",
)
"""What is shown of a job: what it is about, whom it calls, since when it fails, when it is tried next, and why."""


async def jobs_in(url: str, service: str, state: str, limit: int) -> list[tuple[Any, ...]]:
    """Jobs in a state, the oldest first."""
    async with _opened(url, service) as db:
        found = await store.list_jobs(db, state, limit)
    return [tuple(row[field] for field in JOB_COLUMNS) for row in found]


async def retry(url: str, service: str, ids: list[UUID]) -> int:
    """Give failed jobs all their attempts again, and try failing ones now; returns how many failed."""
    async with _opened(url, service) as db, db.transaction():
        return await store.retry_failed(db, ids) + await store.try_now(db, ids)
