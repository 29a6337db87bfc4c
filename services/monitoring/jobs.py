"""Timers: silence that became trouble, answers that did not come. Each job calls its use case and finishes."""

from functools import partial

from services.chassis.jobs import Job, JobHandler, RetryLater, handle
from services.monitoring.domain.alerts import Move
from services.monitoring.job_kinds import (
    Escalate,
    LateBeat,
    Report,
    Silence,
    StateDue,
    escalate,
    late_beat,
    report,
    silence,
    state_due,
)
from services.monitoring.usecases.change_state import take_state
from services.monitoring.usecases.move_alert import move_alert
from services.monitoring.usecases.report_trouble import ServiceUnknown, open_reported
from services.monitoring.usecases.take_beat import take_late_beat
from services.monitoring.usecases.watch_silence import Watch, open_silent

SERVICE_WAIT_SECONDS = 0.5
SERVICE_WAIT_SECONDS_MAX = 60.0


async def run_late_beat(job: Job[LateBeat]) -> None:
    """Take a beat in, as soon as its service is known here."""
    async with job.finish() as unit:
        try:
            await take_late_beat(job.args, unit)
        except ServiceUnknown as unknown:
            wait = min(SERVICE_WAIT_SECONDS * job.attempt, SERVICE_WAIT_SECONDS_MAX)
            raise RetryLater(wait, str(unknown)) from unknown


async def run_report(job: Job[Report]) -> None:
    """Open an alert for a reported incident, as soon as the service is known here."""
    async with job.finish() as unit:
        try:
            await open_reported(job.args, unit)
        except ServiceUnknown as unknown:
            raise RetryLater(SERVICE_WAIT_SECONDS, str(unknown)) from unknown


async def run_silence(job: Job[Silence], watch: Watch) -> None:
    """Judge a service that did not report itself in time."""
    is_silent = await watch.is_silent(job)
    async with job.finish() as unit:
        await open_silent(job.args, unit, is_silent=is_silent)


async def run_state_due(job: Job[StateDue]) -> None:
    """A service is suspended, serves again or has ended by now."""
    async with job.finish() as unit:
        await take_state(job.args, unit)


async def run_escalate(job: Job[Escalate]) -> None:
    """The time to answer is over: if nobody has, the operator joins."""
    async with job.finish() as unit:
        await move_alert(job.args.alert_id, Move.ESCALATE, "clock", unit)


def jobs(watch: Watch) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(silence, partial(run_silence, watch=watch)),
        handle(late_beat, run_late_beat),
        handle(report, run_report),
        handle(escalate, run_escalate),
        handle(state_due, run_state_due),
    )
