"""Watch over signs of life: each beat starts a timer, and silence is judged when the timer is due.

A judgement that must wait does so within its job, for a moment, and then gives its place to another: the jobs of one
partition have few places, so that thousands that wait for the same partition cost no more than one.
"""

import asyncio
import time
from datetime import datetime
from functools import partial

from schemas.alerts import AlertKind
from schemas.signals import Severity
from schemas.tenants import LifeState
from schemas.topics import SIGNALS
from services.chassis.database import Connection
from services.chassis.engine.read_up import ReadUp, partition_of
from services.chassis.jobs import Job, NotYet
from services.chassis.pending import Limit
from services.chassis.unit import Unit
from services.monitoring import metrics, store
from services.monitoring.domain.heartbeats import SilenceVerdict, WayIn, due_at, judge, silent_from
from services.monitoring.domain.model import Trouble, WatchedService
from services.monitoring.job_kinds import SILENCE_PLACES, Silence, silence
from services.monitoring.store import sql
from services.monitoring.usecases.open_alert import open_alert

WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.1
FORGET_SECONDS = 30.0
"""A wait that nobody has confirmed for so long has ended, as when the beat came."""


def start_timer(service: WatchedService, beat_at: datetime, unit: Unit) -> None:
    """Start, or start again, the timer of a service that is watched."""
    if service.heartbeat_seconds:
        _set_timer(service, beat_at, silent_from(beat_at, service.heartbeat_seconds), unit)


def _set_timer(service: WatchedService, beat_at: datetime, at: datetime, unit: Unit) -> None:
    limit = Limit(f"silence:{partition_of(service.tenant_id, SIGNALS.partitions)}", SILENCE_PLACES)
    unit.enqueue(
        silence, Silence(service_id=service.id, beat_at=beat_at), at=at, key=service.id, limit=limit
    )


async def note_pulse(subject: str, pulse_at: datetime, open_since: datetime, unit: Unit) -> None:
    """The door was open: what that says of the partition that the pulse came by."""
    part = partition_of(subject, SIGNALS.partitions)
    before = await store.way_in(unit.db, part)
    way = before.after(pulse_at, open_since) if before else WayIn(pulse_at, open_since)
    await sql.set_way_in(unit.db, part=part, pulse_at=way.pulse_at, open_since=way.open_since)


class Watch:
    """Judges what is due. One for a process; `read_up` tells what of the signals' topic was acted on."""

    def __init__(self, read_up: ReadUp) -> None:
        self._read_up = read_up
        self._waiting: dict[tuple[SilenceVerdict, int], tuple[float, float]] = {}
        for reason in (SilenceVerdict.UNREAD, SilenceVerdict.CLOSED):
            metrics.SILENCE_UNJUDGED.labels(reason).set_function(
                partial(self.waiting_seconds, reason)
            )

    async def is_silent(self, job: Job[Silence]) -> bool:
        """Whether the service is silent; false when there is nothing to judge any more, or only later.

        Raises `NotYet` after a moment in which it could not be judged.
        """
        until = time.monotonic() + WAIT_SECONDS
        while True:
            async with job.read() as db:
                verdict = await self._look(db, job)
            if verdict not in (SilenceVerdict.UNREAD, SilenceVerdict.CLOSED):
                return verdict is SilenceVerdict.SILENT
            if time.monotonic() >= until:
                raise NotYet(0, f"silence cannot be judged yet: {verdict}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, db: Connection, job: Job[Silence]) -> SilenceVerdict | None:
        """What can be said now; None when a later beat has come, or none is due any more."""
        beat_at = job.args.beat_at
        found = await store.watched(db, job.args.service_id)
        if found is None or found.last_beat_at != beat_at or not found.heartbeat_seconds:
            return None
        if await store.state_at(db, found.id, job.now) is not LifeState.ACTIVE:
            return None
        interval, part = found.heartbeat_seconds, partition_of(found.tenant_id, SIGNALS.partitions)
        due = due_at(beat_at, interval, await store.way_in(db, part))
        is_read = due <= job.now and await self._read_up.has_read(db, found.tenant_id, due, job.now)
        # What was read in the meantime counts: pulses too.
        verdict = judge(job.now, beat_at, interval, await store.way_in(db, part), is_read=is_read)
        self._note(verdict, part)
        return verdict

    def _note(self, verdict: SilenceVerdict, part: int) -> None:
        now = time.monotonic()
        for reason in (SilenceVerdict.UNREAD, SilenceVerdict.CLOSED):
            if reason is verdict:
                since, seen = self._waiting.get((reason, part), (now, now))
                self._waiting[reason, part] = (since if now - seen < FORGET_SECONDS else now), now
            elif (
                verdict is SilenceVerdict.SILENT
                or reason is SilenceVerdict.CLOSED
                or verdict is SilenceVerdict.CLOSED
            ):
                self._waiting.pop((reason, part), None)

    def waiting_seconds(self, reason: SilenceVerdict) -> float:
        """For how long judgements wait for a reason, the longest of all partitions."""
        now = time.monotonic()
        waits = [
            now - since
            for (why, _), (since, seen) in self._waiting.items()
            if why is reason and now - seen < FORGET_SECONDS
        ]
        return max(waits, default=0.0)


async def open_silent(args: Silence, unit: Unit, *, is_silent: bool) -> None:
    """Open an alert for a service that has gone silent, once it is known that no beat of it waits to be read.

    Raises `NotYet` when silence came due only while it was judged.
    """
    service = await store.lock_service(unit.db, args.service_id)
    if service is None or service.last_beat_at != args.beat_at or not service.heartbeat_seconds:
        return
    if await store.state_at(unit.db, service.id, unit.now) is not LifeState.ACTIVE:
        return  # its timer starts again when it serves again
    way_in = await store.way_in(unit.db, partition_of(service.tenant_id, SIGNALS.partitions))
    due = due_at(args.beat_at, service.heartbeat_seconds, way_in)
    if unit.now < due:  # it has moved since the timer was set
        _set_timer(service, args.beat_at, due, unit)
        return
    if not is_silent:
        raise NotYet(0, "silence came due while it was judged")
    trouble = Trouble(
        cause=f"silence|{service.id}|{args.beat_at.isoformat()}", kind=AlertKind.HEARTBEAT_MISSING, severity=Severity.P2,
        tenant_id=service.tenant_id, service_id=service.id, sku=service.sku,
        summary=f"{service.sku}: no sign of life since {args.beat_at:%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
    await open_alert(trouble, unit)
