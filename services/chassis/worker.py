"""The worker: leases due jobs, runs them, and settles what became of each."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from pydantic import ValidationError

from schemas.envelope import faults
from services.chassis import metrics, store
from services.chassis.backoff import Backoff
from services.chassis.clock import Elapsed
from services.chassis.database import error_text, is_infrastructure
from services.chassis.failing_limits import FailingLimits
from services.chassis.failpoints import reach
from services.chassis.jobs import (
    Exhausted,
    GiveUp,
    Job,
    JobHandler,
    NotYet,
    RetryLater,
    WorkerContext,
)
from services.chassis.logs import logger
from services.chassis.texts import bounded
from services.chassis.unit import LeaseLost
from services.chassis.wakeups import Wakeups

POLL_SECONDS = 0.25
RUN_SHARE_OF_LEASE = 0.8
"""A run is cut before its lease lapses, so that no second worker starts beside it."""

STOP_TIMEOUT_SECONDS = 4.0
RETRY = Backoff(first_seconds=0.1, max_seconds=5.0)

log = logger(__name__)


class Worker:
    """Leases due jobs and runs them, each kind up to its concurrency."""

    def __init__(
        self, context: WorkerContext, handlers: Sequence[JobHandler], wakeups: Wakeups
    ) -> None:
        self._context = context
        self._handlers = {handler.kind.name: handler for handler in handlers}
        self._leases = {
            name: handler.kind.lease_seconds for name, handler in self._handlers.items()
        }
        self._wakeups = wakeups
        self._running: dict[asyncio.Task[None], str] = {}
        self._failing = FailingLimits(Elapsed(context.clock))
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
        room = {
            name: handler.kind.concurrency - busy[name] for name, handler in self._handlers.items()
        }
        free = {name: places for name, places in room.items() if places > 0 and not self._stopping}
        async with self._context.pool.acquire() as db:
            rows = await store.lease_jobs(
                db, free, self._leases, self._failing, self._context.clock.now()
            )
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
        if outcome == "done":
            self._failing.succeeded(limit)
        elif limit and outcome == "retried":
            self._failing.failed(limit)

    async def _outcome(self, handler: JobHandler, row: asyncpg.Record) -> str:
        """Run a job and settle its row; returns what became of it."""
        try:
            job = Job(
                handler.kind.args.model_validate(row["args"]), handler.kind, row, self._context
            )
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

    async def _failed(
        self, handler: JobHandler, job: Job[Any], row: asyncpg.Record, error: Exception
    ) -> str:
        why = _why(error)
        if isinstance(error, NotYet):
            later = job.now + timedelta(seconds=error.seconds)
            await self._settle(store.postpone_job, row, later, why, job.now)
            return "postponed"
        log.warning("job failed", kind=job.kind.name, attempt=job.attempt, error=why)
        if job.finished:
            return "done"
        out_of_attempts = job.is_last or isinstance(error, GiveUp)
        if not out_of_attempts:
            await self._tell_delay(handler, job, why)
            wait = (
                error.seconds
                if isinstance(error, RetryLater)
                else job.kind.backoff.seconds(job.attempt)
            )
            await self._settle(
                store.retry_job, row, job.now + timedelta(seconds=wait), why, job.now
            )
            return "retried"
        if handler.exhausted is None:
            return await self._keep(row, why)
        return await self._exhaust(handler.exhausted, job, row, error)

    async def _tell_delay(self, handler: JobHandler, job: Job[Any], why: str) -> None:
        """Notify those who wait for a job that it has failed for a while. The job is retried even if that fails."""
        delay = job.delay(why)
        if handler.delayed is None or delay is None:
            return
        try:
            async with job.aside() as unit:
                await handler.delayed(job.args, unit, delay)
        except LeaseLost:
            return  # whoever has the job now reports it
        except Exception as fault:
            if is_infrastructure(fault):
                raise
            log.error(
                "a delay could not be told",
                kind=job.kind.name,
                job=str(job.id),
                error=error_text(fault),
            )

    async def _exhaust(
        self, end: Exhausted, job: Job[Any], row: asyncpg.Record, error: Exception
    ) -> str:
        """End a job whose attempts are used up; one that cannot even end is kept."""
        try:
            async with job.finish() as unit:
                await end(job.args, unit, _why(error))
        except LeaseLost:
            return "lease_lost"
        except Exception as fault:
            if is_infrastructure(fault):
                raise
            return await self._keep(
                row, f"could not be ended: {error_text(fault)}, after {error_text(error)}"
            )
        return "exhausted"

    async def _keep(self, row: asyncpg.Record, why: str) -> str:
        """Keep a job that will not be tried again, for a person to look at."""
        log.error("job kept as failed", kind=row["kind"], job=str(row["id"]), error=why)
        await self._settle(store.fail_job, row, bounded(why))
        return "failed"

    async def _settle(
        self, statement: Callable[..., Awaitable[None]], row: asyncpg.Record, *values: object
    ) -> None:
        async with self._context.pool.acquire() as db:
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
    """An error as it is reported: a job's own words are kept."""
    return bounded(str(error)) if isinstance(error, GiveUp | RetryLater) else error_text(error)
