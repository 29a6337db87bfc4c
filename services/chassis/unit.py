"""The unit of work: one transaction, and what leaves with it.

A handler changes rows through `db`, says facts through `publish`, asks for outside calls through `enqueue`.
Nothing leaves before the transaction commits, and everything does when it has.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from schemas.envelope import Event, Payload
from schemas.identity import event_name
from schemas.topics import Topic
from services.chassis import store
from services.chassis.clock import Clock
from services.chassis.database import Connection, Pool
from services.chassis.pending import Cancelled, Ended, Fact, JobRow, Limit, bounded

_FACT = UUID("5d2f2f0a-2a55-4a0c-8c3c-7f1b5f6f9d01")
MIRROR_KEY_BYTES_MAX = 10_000
"""What of a rejected record's key goes to the dead-letter topic: packed, a record larger than any message gets in."""

PayloadT = TypeVar("PayloadT", bound=Payload)


class Args(BaseModel):
    """Arguments of a job, kept as JSON."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Kind(Protocol):
    """What a unit needs to know of a job's kind: its name, and that it has a handler."""

    @property
    def name(self) -> str:
        """Unique within a service."""
        ...

    @property
    def is_routed(self) -> bool:
        """Whether it has a handler."""
        ...


class NotRouted(RuntimeError):
    """A job was asked for that nobody would run."""


class Rejected(Exception):
    """A handler refuses a record: it becomes a reject, its neighbours go on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Cause:
    """What a unit of work acts on. `seed` is the same whenever the same thing is acted on again."""

    seed: str
    correlation_id: str | None = None
    causation_id: str | None = None

    @classmethod
    def of(cls, event: Event[Payload]) -> "Cause":
        """The event as a cause: its story goes on, and it becomes the parent."""
        name = event_name(event.subject, event.source, event.id, event.principal)
        return cls(name, event.correlation_id or event.id, event.id)


class LeaseLost(Exception):
    """The job is no longer ours; nothing of this run counts."""


@dataclass
class Parcel:
    """What leaves with a transaction, in order. Each batch of jobs keeps the order of its calls."""

    facts: list[Fact] = field(default_factory=list)
    jobs: list[JobRow | Cancelled] = field(default_factory=list)
    ended: Ended | None = None
    """The job that this transaction is the end of."""

    async def write(self, db: Connection, now: datetime) -> None:
        """Put it into the outbox and the job table, and wake who waits for them.

        Raises `LeaseLost` when the job that ends is no longer ours.
        """
        if self.facts:
            await store.add_facts(db, self.facts)
        if self.jobs or self.ended:
            await self._write_jobs(db, self.ended)
        if any(isinstance(job, JobRow) and job.run_at <= now for job in self.jobs):
            await store.notify(db, "jobs")

    async def _write_jobs(self, db: Connection, ended: Ended | None) -> None:
        """Rows that others may lock too are locked by kind and key, everywhere, so that no two transactions deadlock."""
        places = iter(await store.job_places(db, len(self.jobs)) if self.jobs else [])
        writes = [(job, next(places)) for job in self.jobs]
        # What has a key has one row for all; what has none is ours alone. A stable sort keeps the calls of one key in order.
        writes.sort(key=lambda write: (write[0].key is None, write[0].kind, write[0].key or ""))
        before = [write for write in writes if ended and _comes_before(write[0], ended)]
        await _write_in_order(db, before)
        if ended:
            await _end(db, ended)
        await _write_in_order(db, writes[len(before) :])


async def _write_in_order(db: Connection, writes: Sequence[tuple[JobRow | Cancelled, int]]) -> None:
    together: list[tuple[JobRow, int]] = []
    for job, seq in writes:
        if isinstance(job, JobRow):
            together.append((job, seq))
            continue
        await store.add_jobs(db, together)
        together = []
        await store.cancel_job(db, job)
    await store.add_jobs(db, together)


def _comes_before(job: JobRow | Cancelled, ended: Ended) -> bool:
    """Whether a write comes before the end of the job itself: the job's own key is free before it is used again."""
    if ended.key is None or job.key is None:
        return job.key is not None
    return (job.kind, job.key) < (ended.kind, ended.key)


async def _end(db: Connection, ended: Ended) -> None:
    if not await store.remove_job(db, ended.id, ended.token):
        raise LeaseLost(ended.kind)


class Unit:
    """One transaction on behalf of one cause."""

    def __init__(
        self,
        db: Connection,
        service: str,
        now: datetime,
        cause: Cause,
        parcel: Parcel | None = None,
    ) -> None:
        self.db = db
        self.now = now
        self.service = service
        self._cause = cause
        self._parcel = parcel or Parcel()
        self._count = 0
        self.attempts = 1
        """How often the job that this is the end of was tried; 1 where it is none."""

    def about(self, seed: str) -> "Unit":
        """In the same transaction, a unit whose facts are named by a cause of their own."""
        return Unit(self.db, self.service, self.now, Cause(seed), self._parcel)

    def publish(
        self, payload: PayloadT, *, subject: str, time: datetime | None = None,
        sealing: Callable[[Event[PayloadT]], Event[PayloadT]] | None = None,
    ) -> Event[PayloadT]:  # fmt: skip
        """Say a fact. It leaves when the transaction commits, in the order of the calls for one subject.

        `sealing` is given the event, and gives it back as it may travel.
        Raises `FactTooLarge` rather than write what Kafka would refuse.
        """
        event = Event(
            id=str(self._next_id(payload.wire_type)),
            source=f"/vicino/{self.service}",
            type=payload.wire_type,
            subject=subject,
            time=time or self.now,
            data=payload,
            correlation_id=self._cause.correlation_id,
            causation_id=self._cause.causation_id,
        )
        event = event if sealing is None else sealing(event)
        fact = Fact(UUID(event.id), payload.topic.name, subject, event.type, None, event.encode())
        self._parcel.facts.append(fact)
        return event

    def enqueue(
        self, kind: Kind, args: Args, *, at: datetime | None = None, key: str | None = None,
        lane: str | None = None, limit: Limit | None = None, party: str = "",
    ) -> None:  # fmt: skip
        """Ask for a job, due `at` (now, if not said). With `key`, there is at most one: asking again moves it.

        Jobs of one `lane` run one after the other in the order asked for. Of one `limit`, no more run at a time than it has
        places, and these are shared fairly over the parties (such as resellers) that wait for them.
        Raises `NotRouted` for a kind without a handler.
        """
        if not kind.is_routed:
            raise NotRouted(f"no handler runs jobs of kind {kind.name}")
        self._parcel.jobs.append(
            JobRow(
                self._next_id(), kind.name, key, args.model_dump(mode="json"), at or self.now,
                self._cause.correlation_id, self._cause.causation_id, lane and bounded(lane), limit, bounded(party),
            )
        )  # fmt: skip

    def cancel(self, kind: Kind, key: str) -> None:
        """Remove a keyed job, if it exists."""
        self._parcel.jobs.append(Cancelled(kind.name, key))

    def _next_id(self, of: str = "job") -> UUID:
        """The same cause gives the same id to the same fact; two types of fact never share one."""
        self._count += 1
        return uuid5(_FACT, f"{self.service}|{self._cause.seed}|{of}|{self._count}")

    async def flush(self) -> None:
        """Write what leaves. Called once, just before the commit."""
        await self._parcel.write(self.db, self.now)


@asynccontextmanager
async def transaction(pool: Pool, service: str, clock: Clock, cause: Cause) -> AsyncIterator[Unit]:
    """A unit with a transaction of its own: commits at the end, rolls back on any exception."""
    async with pool.acquire() as db, db.transaction():
        unit = Unit(db, service, clock.now(), cause)
        yield unit
        await unit.flush()


def dead_letter(
    topic: Topic,
    seed: str,
    key: bytes | None,
    raw: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
) -> Fact:
    """A rejected record as a fact on the topic's dead-letter topic."""
    key = (key or b"")[:MIRROR_KEY_BYTES_MAX]
    return Fact(uuid5(_FACT, f"reject|{seed}"), topic.dead_letters, "", "reject", key, raw, headers)
