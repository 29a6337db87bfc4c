"""Jobs: outside calls and timers, as rows. Enqueued in the transaction that wants them, leased, retried, finished in one.

A crash leaves the lease to lapse, and the job is tried again with the same idempotency key. A job whose lease was
lost in the meantime cannot finish: whoever has it now will.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from services.chassis import store
from services.chassis.backoff import Backoff
from services.chassis.clock import Clock
from services.chassis.database import Connection, Pool
from services.chassis.failpoints import reach
from services.chassis.pending import Ended
from services.chassis.unit import Args, Cause, LeaseLost, Parcel, Unit

OUTSIDE_CALL = Backoff.schedule((1, 2, 5, 15, 60, 300), jitter=0.1)
GIVE_UP_AFTER = timedelta(hours=24)
"""For outside calls: a server that is down overnight costs nobody an order or a mail."""

DELAY_TOLD_AFTER = timedelta(minutes=1)
"""How long a job fails before those who wait for it are notified."""


ArgsT = TypeVar("ArgsT", bound=Args)


@dataclass(slots=True)
class Routing:
    """Whether a kind has a handler. A kind without one cannot be enqueued: its jobs would be due for ever."""

    is_routed: bool = False


@dataclass(frozen=True, slots=True)
class JobKind(Generic[ArgsT]):
    """A kind of job: its arguments, and how often and how long to try.

    `attempts=None` sets no number, `give_up_after=None` no time since the first attempt; without both it is tried for ever.
    """

    name: str
    args: type[ArgsT]
    attempts: int | None = 10
    backoff: Backoff = field(default_factory=Backoff)
    lease_seconds: float = 60.0
    concurrency: int = 4
    give_up_after: timedelta | None = None
    routing: Routing = field(default_factory=Routing, compare=False, repr=False)

    @property
    def is_routed(self) -> bool:
        """Whether `handle` gave it a handler."""
        return self.routing.is_routed


class RetryLater(Exception):
    """A job asks to be tried again after a wait of its own choice."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class NotYet(RetryLater):
    """A job could not even begin: it waits, and the wait counts as no attempt. While it waits it is listed as failing."""


class GiveUp(Exception):
    """A job knows that trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Delay:
    """That a job has failed for a while and is tried again. `gives_up_at` is None where no time is set."""

    why: str
    since: datetime
    gives_up_at: datetime | None


class Job(Generic[ArgsT]):
    """One run of a job."""

    def __init__(
        self, args: ArgsT, kind: JobKind[ArgsT], row: asyncpg.Record, context: "WorkerContext"
    ) -> None:
        self.args = args
        self.kind = kind
        self.id: UUID = row["id"]
        self.attempt: int = row["attempt"]
        self.token: UUID = row["lease_token"]
        self.first_tried_at: datetime = row["first_tried_at"]
        self.give_up_after = kind.give_up_after
        """May be set by the run, where it depends on whom it calls."""
        self.finished = False
        self.delay_told: bool = row["delay_told"]
        self._row, self._context = row, context

    @property
    def idempotency_key(self) -> str:
        """The same over all attempts: give it to whoever is called."""
        return str(self.id)

    @property
    def is_last(self) -> bool:
        """Whether the attempts, or the time for them, are used up after this one."""
        if self.give_up_after is not None and self.now - self.first_tried_at >= self.give_up_after:
            return True
        return self.kind.attempts is not None and self.attempt >= self.kind.attempts

    def delay(self, why: str) -> Delay | None:
        """What is reported of a failure to those who wait: nothing at first, and nothing twice."""
        if self.delay_told or self.now - self.first_tried_at < DELAY_TOLD_AFTER:
            return None
        gives_up_at = (
            self.first_tried_at + self.give_up_after if self.give_up_after is not None else None
        )
        return Delay(why, self.first_tried_at, gives_up_at)

    @property
    def now(self) -> datetime:
        """The injected clock."""
        return self._context.clock.now()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection to look things up with; give it back before the outside call."""
        async with self._context.pool.acquire() as db:
            yield db

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Unit]:
        """The transaction that ends the job: the domain's rows first, the job's own row last.

        Raises `LeaseLost` when it is no longer ours; then nothing of it counts.
        """
        reach("job.before_finish")
        async with self._context.pool.acquire() as db, db.transaction():
            cause = Cause(f"job|{self.id}", self._row["correlation_id"], self._row["causation_id"])
            # The own row goes last, with the flush: handlers lock the domain's rows before they move jobs, and the other
            # way round here the two would deadlock.
            ended = Ended(self.id, self.token, self.kind.name, self._row["key"])
            unit = Unit(db, self._context.service, self.now, cause, Parcel(ended=ended))
            unit.attempts = self.attempt
            yield unit
            await unit.flush()
            reach("job.before_commit")
        self.finished = True
        reach("job.after_commit")

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[Unit]:
        """A transaction of the job that does not end it, for what is reported once while the job is retried.

        Raises `LeaseLost` when the job is no longer ours, or has told it before.
        """
        async with self._context.pool.acquire() as db, db.transaction():
            cause = Cause(
                f"job|{self.id}|delayed", self._row["correlation_id"], self._row["causation_id"]
            )
            unit = Unit(db, self._context.service, self.now, cause)
            yield unit
            if not await store.note_delay_told(db, self.id, self.token):
                raise LeaseLost(self.kind.name)
            await unit.flush()


Run = Callable[[Job[Any]], Awaitable[None]]
Exhausted = Callable[[Any, Unit, str], Awaitable[None]]


Delayed = Callable[[Any, Unit, Delay], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobHandler:
    """What runs a kind, what is done in the job's last transaction when its attempts are used up, and what is said once,
    in a transaction of its own, when it has failed for `DELAY_TOLD_AFTER` and is tried again."""

    kind: JobKind[Any]
    run: Run
    exhausted: Exhausted | None = None
    delayed: Delayed | None = None


def handle(
    kind: JobKind[ArgsT],
    run: Callable[[Job[ArgsT]], Awaitable[None]],
    exhausted: Exhausted | None = None,
    delayed: Delayed | None = None,
) -> JobHandler:
    """Route a kind of job to what runs it.

    `exhausted(args, unit, why)` ends it when the attempts, or the time for them, are used up. `delayed(args, unit, delay)`
    tells those who wait for it, once, when it has failed for a minute.
    """
    kind.routing.is_routed = True
    return JobHandler(kind, run, exhausted, delayed)


def asked_by_commands(*kinds: JobKind[Any]) -> None:
    """Let a command enqueue kinds that it does not run: the running service does. A contract test compares both."""
    for kind in kinds:
        kind.routing.is_routed = True


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What every run needs."""

    pool: Pool
    service: str
    clock: Clock
