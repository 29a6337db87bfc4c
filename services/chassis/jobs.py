"""Jobs: outside calls and timers, as rows. Enqueued in the transaction that wants them, leased, retried, finished in one.

A crash leaves the lease to lapse, and the job is tried again with the same idempotency key. A job whose lease was
lost in the meantime cannot finish: whoever has it now will.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from schemas.envelope import faults
from services.chassis import metrics, store
from services.chassis.backoff import Backoff
from services.chassis.clock import Clock
from services.chassis.database import Connection, Pool, is_infrastructure, storable, told
from services.chassis.failpoints import reach
from services.chassis.logs import logger
from services.chassis.rows import Ended
from services.chassis.unit import Args, Cause, LeaseLost, Parcel, Unit
from services.chassis.wakeups import Wakeups

POLL_SECONDS = 0.25
RUN_SHARE_OF_LEASE = 0.8
"""A run is cut before its lease lapses, so that no second worker starts beside it."""

STOP_TIMEOUT_SECONDS = 4.0
RETRY = Backoff(first_seconds=0.1, max_seconds=5.0)
OUTSIDE_CALL = Backoff.schedule((1, 2, 5, 15, 60, 300), jitter=0.1)
GIVE_UP_AFTER = timedelta(hours=24)
"""For outside calls: a server that is down overnight costs nobody an order or a mail."""


ArgsT = TypeVar("ArgsT", bound=Args)
log = logger(__name__)


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
    """A job could not even begin: it waits, and the wait counts as no attempt."""


class GiveUp(Exception):
    """A job knows that trying again is of no use."""


class Job(Generic[ArgsT]):
    """One run of a job."""

    def __init__(self, args: ArgsT, kind: JobKind[ArgsT], row: asyncpg.Record, lane: "Lane") -> None:
        self.args = args
        self.kind = kind
        self.id: UUID = row["id"]
        self.attempt: int = row["attempt"]
        self.token: UUID = row["lease_token"]
        self.first_tried_at: datetime = row["first_tried_at"]
        self.give_up_after = kind.give_up_after
        """May be set by the run, where it depends on whom it calls."""
        self.finished = False
        self._row, self._lane = row, lane

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

    @property
    def now(self) -> datetime:
        """The injected clock."""
        return self._lane.clock.now()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection to look things up with; give it back before the outside call."""
        async with self._lane.pool.acquire() as db:
            yield db

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Unit]:
        """The transaction that ends the job: the domain's rows first, the job's own row last.

        Raises `LeaseLost` when it is no longer ours; then nothing of it counts.
        """
        reach("job.before_finish")
        async with self._lane.pool.acquire() as db, db.transaction():
            cause = Cause(f"job|{self.id}", self._row["correlation_id"], self._row["causation_id"])
            # The own row goes last, with the flush: handlers lock the domain's rows before they move jobs, and the other
            # way round here the two would deadlock.
            ended = Ended(self.id, self.token, self.kind.name, self._row["key"])
            unit = Unit(db, self._lane.service, self.now, cause, Parcel(ended=ended))
            yield unit
            await unit.flush()
            reach("job.before_commit")
        self.finished = True
        reach("job.after_commit")


Run = Callable[[Job[Any]], Awaitable[None]]
Exhausted = Callable[[Any, Unit, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobHandler:
    """What runs a kind, and what is done in the job's last transaction when its attempts are used up."""

    kind: JobKind[Any]
    run: Run
    exhausted: Exhausted | None = None


def handle(
    kind: JobKind[ArgsT], run: Callable[[Job[ArgsT]], Awaitable[None]], exhausted: Exhausted | None = None
) -> JobHandler:
    """Route a kind of job to what runs it. `exhausted(args, unit, why)` ends it when the attempts are used up."""
    kind.routing.is_routed = True
    return JobHandler(kind, run, exhausted)


@dataclass(frozen=True, slots=True)
class Lane:
    """What every run needs."""

    pool: Pool
    service: str
    clock: Clock


class Worker:
    """Leases due jobs and runs them, each kind up to its concurrency."""

    def __init__(self, lane: Lane, handlers: Sequence[JobHandler], wakeups: Wakeups) -> None:
        self._lane = lane
        self._handlers = {handler.kind.name: handler for handler in handlers}
        self._leases = {name: handler.kind.lease_seconds for name, handler in self._handlers.items()}
        self._wakeups = wakeups
        self._running: dict[asyncio.Task[None], str] = {}
        self._failing: set[str] = set()
        self._alive = time.monotonic()
        self._leasing = asyncio.Lock()
        self._stopping = False

    async def run(self) -> None:
        """Work until stopped or cancelled."""
        failures = 0
        while not self._stopping:
            try:
                async with self._leasing:
                    leased = await self._lease()
                self._alive, failures = time.monotonic(), 0
                if not leased:
                    await self._wakeups.wait("jobs", POLL_SECONDS)
            except Exception as error:  # noqa: BLE001 - jobs wait in their table
                failures += 1
                log.warning("cannot lease jobs", error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))

    async def _lease(self) -> int:
        busy = Counter(self._running.values())
        room = {name: handler.kind.concurrency - busy[name] for name, handler in self._handlers.items()}
        free = {name: places for name, places in room.items() if places > 0 and not self._stopping}
        async with self._lane.pool.acquire() as db:
            rows = await store.lease_jobs(db, free, self._leases, self._failing, self._lane.clock.now())
        if rows:
            reach("job.leased")
        for row in rows:
            task = asyncio.create_task(self._run_one(row), name=f"job {row['kind']}")
            self._running[task] = row["kind"]
            task.add_done_callback(self._done)
        return len(rows)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("a job could not be given back; its lease will lapse", error=repr(error))
        self._wakeups.poke("jobs")

    async def _run_one(self, row: asyncpg.Record) -> None:
        handler = self._handlers[row["kind"]]
        with metrics.JOB_SECONDS.labels(handler.kind.name).time():
            outcome = await self._outcome(handler, row)
        self._note(row["limit_name"], outcome)
        metrics.JOBS.labels(handler.kind.name, outcome).inc()

    def _note(self, limit: str, outcome: str) -> None:
        """A limit whose last job failed has one place until one succeeds: what hangs holds few of the kind's places."""
        if outcome == "done":
            self._failing.discard(limit)
        elif limit and outcome == "retried":
            self._failing.add(limit)

    async def _outcome(self, handler: JobHandler, row: asyncpg.Record) -> str:
        """Run a job and settle its row; returns what became of it."""
        try:
            job = Job(handler.kind.args.model_validate(row["args"]), handler.kind, row, self._lane)
        except ValidationError as error:
            # Written by another build: no later attempt will read it, a person may.
            return await self._keep(row, f"bad arguments: {faults(error)}")
        try:
            if handler.kind.attempts is not None and job.attempt > handler.kind.attempts:
                raise GiveUp("the last attempt did not come to an end")
            async with asyncio.timeout(handler.kind.lease_seconds * RUN_SHARE_OF_LEASE):
                await handler.run(job)
            if not job.finished:
                async with job.finish():
                    pass
        except LeaseLost:
            return "lease_lost"
        except asyncio.CancelledError:
            await self._settle(store.release_job, row)
            raise
        except Exception as error:  # noqa: BLE001 - every failure of an outside call is a retry or the end
            return await self._failed(handler, job, row, error)
        return "done"

    async def _failed(self, handler: JobHandler, job: Job[Any], row: asyncpg.Record, error: Exception) -> str:
        if isinstance(error, NotYet):
            await self._settle(store.postpone_job, row, job.now + timedelta(seconds=error.seconds))
            return "postponed"
        why = _why(error)
        log.warning("job failed", kind=job.kind.name, attempt=job.attempt, error=why)
        if job.finished:
            return "done"
        out_of_attempts = job.is_last or isinstance(error, GiveUp)
        if not out_of_attempts:
            wait = error.seconds if isinstance(error, RetryLater) else job.kind.backoff.seconds(job.attempt)
            await self._settle(store.retry_job, row, job.now + timedelta(seconds=wait), why, job.now)
            return "retried"
        if handler.exhausted is None:
            return await self._keep(row, why)
        return await self._exhaust(handler.exhausted, job, row, error)

    async def _exhaust(self, end: Exhausted, job: Job[Any], row: asyncpg.Record, error: Exception) -> str:
        """End a job whose attempts are used up; one that cannot even end is kept."""
        try:
            async with job.finish() as unit:
                await end(job.args, unit, _why(error))
        except LeaseLost:
            return "lease_lost"
        except Exception as fault:
            if is_infrastructure(fault):
                raise
            return await self._keep(row, f"could not be ended: {told(fault)}, after {told(error)}")
        return "exhausted"

    async def _keep(self, row: asyncpg.Record, why: str) -> str:
        """Keep a job that will not be tried again, for a person to look at."""
        log.error("job kept as failed", kind=row["kind"], job=str(row["id"]), error=why)
        await self._settle(store.fail_job, row, storable(why))
        return "failed"

    async def _settle(self, statement: Callable[..., Awaitable[None]], row: asyncpg.Record, *values: object) -> None:
        async with self._lane.pool.acquire() as db:
            await statement(db, row["id"], row["lease_token"], *values)

    async def stop(self) -> None:
        """Begin no other job; let those at work end, for a while; give back the rest untried."""
        self._stopping = True
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS), self._leasing:
                if self._running:
                    await asyncio.wait(self._running)
        except TimeoutError:
            log.warning("jobs at work are given back", jobs=len(self._running))
        late = list(self._running)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def problems(self) -> list[str]:
        """Why jobs are not run; empty when they are."""
        silent = time.monotonic() - self._alive
        return [f"jobs: no look at the table for {silent:.0f} s"] if silent > 30 else []


def _why(error: Exception) -> str:
    """An error as it is told: what a job says of itself goes out in its own words."""
    return storable(str(error)) if isinstance(error, GiveUp | RetryLater) else told(error)
