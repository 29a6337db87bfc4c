"""The watch over signs of life: arms a timer with each beat, and judges silence when the timer is due.

A judgement that must wait does so within its job, for a moment, and then gives its place to another: the jobs of one
partition have few places, so that thousands that wait for the same partition cost no more than one.
"""

import asyncio
import time
from datetime import datetime
from functools import partial

import asyncpg

from schemas.topics import SIGNALS
from services.chassis.database import Connection
from services.chassis.engine.read_up import ReadUp, partition_of
from services.chassis.jobs import Job, JobKind, NotYet
from services.chassis.pending import Limit
from services.chassis.unit import Args, Unit
from services.monitoring import metrics
from services.monitoring.domain.heartbeats import Verdict, WayIn, due_at, judge, silent_from
from services.monitoring.store import sql

WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.1
PLACES = 2
"""Of a partition, in all copies of the service."""

FORGET_SECONDS = 30.0
"""A wait that nobody has confirmed for so long has ended, as when the beat came."""


class Silence(Args):
    """A service whose next beat is overdue, unless one has come since `beat_at`."""

    service_id: str
    beat_at: datetime


silence = JobKind("silence", Silence, attempts=None, concurrency=2 * PLACES * SIGNALS.partitions)


def arm(service: asyncpg.Record, beat_at: datetime, unit: Unit) -> None:
    """Set, or set anew, the timer of a service that is watched."""
    if service["heartbeat_seconds"]:
        _set_timer(
            service["id"], service["tenant_id"], beat_at, silent_from(beat_at, service["heartbeat_seconds"]), unit
        )


def _set_timer(service_id: str, tenant_id: str, beat_at: datetime, at: datetime, unit: Unit) -> None:
    limit = Limit(f"silence:{partition_of(tenant_id, SIGNALS.partitions)}", PLACES)
    unit.enqueue(silence, Silence(service_id=service_id, beat_at=beat_at), at=at, key=service_id, limit=limit)


async def note_pulse(subject: str, pulse_at: datetime, open_since: datetime, unit: Unit) -> None:
    """The door was open: what that says of the partition that the pulse came by."""
    part = partition_of(subject, SIGNALS.partitions)
    before = await _way_in(unit.db, part)
    way = before.after(pulse_at, open_since) if before else WayIn(pulse_at, open_since)
    await sql.set_way_in(unit.db, part=part, pulse_at=way.pulse_at, open_since=way.open_since)


async def _way_in(db: Connection, part: int) -> WayIn | None:
    found = await sql.way_in(db, part=part)
    return WayIn(found["pulse_at"], found["open_since"]) if found else None


class Watch:
    """Judges what is due. One for a process; `read_up` tells what of the signals' topic was acted on."""

    def __init__(self, read_up: ReadUp) -> None:
        self._read_up = read_up
        self._waiting: dict[tuple[Verdict, int], tuple[float, float]] = {}
        for reason in (Verdict.UNREAD, Verdict.CLOSED):
            metrics.SILENCE_UNJUDGED.labels(reason).set_function(partial(self.waiting_seconds, reason))

    async def is_silent(self, job: Job[Silence]) -> bool:
        """Whether the service is silent; false when there is nothing to judge any more, or only later.

        Raises `NotYet` after a moment in which it could not be judged.
        """
        until = time.monotonic() + WAIT_SECONDS
        while True:
            async with job.read() as db:
                verdict = await self._look(db, job)
            if verdict not in (Verdict.UNREAD, Verdict.CLOSED):
                return verdict is Verdict.SILENT
            if time.monotonic() >= until:
                raise NotYet(0, f"silence cannot be judged yet: {verdict}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, db: Connection, job: Job[Silence]) -> Verdict | None:
        """What can be said now; None when a later beat has come, or none is due any more."""
        beat_at = job.args.beat_at
        found = await sql.watched(db, id=job.args.service_id)
        if found is None or found["last_beat_at"] != beat_at or not found["heartbeat_seconds"]:
            return None
        tenant_id, interval = found["tenant_id"], found["heartbeat_seconds"]
        part = partition_of(tenant_id, SIGNALS.partitions)
        due = due_at(beat_at, interval, await _way_in(db, part))
        is_read = due <= job.now and await self._read_up.has_read(db, tenant_id, due, job.now)
        # What was read in the meantime counts: pulses too.
        verdict = judge(job.now, beat_at, interval, await _way_in(db, part), is_read=is_read)
        self._note(verdict, part)
        return verdict

    def _note(self, verdict: Verdict, part: int) -> None:
        now = time.monotonic()
        for reason in (Verdict.UNREAD, Verdict.CLOSED):
            if reason is verdict:
                since, seen = self._waiting.get((reason, part), (now, now))
                self._waiting[reason, part] = (since if now - seen < FORGET_SECONDS else now), now
            elif verdict is Verdict.SILENT or reason is Verdict.CLOSED or verdict is Verdict.CLOSED:
                self._waiting.pop((reason, part), None)

    def waiting_seconds(self, reason: Verdict) -> float:
        """For how long judgements wait for a reason, the longest of all partitions."""
        now = time.monotonic()
        waits = [
            now - since
            for (why, _), (since, seen) in self._waiting.items()
            if why is reason and now - seen < FORGET_SECONDS
        ]
        return max(waits, default=0.0)


async def look_again(job: Job[Silence], service: asyncpg.Record, unit: Unit) -> bool:
    """Set the timer to a time that has moved since it was set; false when silence is due by now, or nothing is.

    `service` is held: in the same transaction the caller may act on what was judged.
    """
    way_in = await _way_in(unit.db, partition_of(service["tenant_id"], SIGNALS.partitions))
    due = due_at(job.args.beat_at, service["heartbeat_seconds"], way_in)
    if unit.now >= due:
        return False
    _set_timer(service["id"], service["tenant_id"], job.args.beat_at, due, unit)
    return True
