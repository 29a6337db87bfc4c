"""Timers: silence that became trouble, answers that did not come. Rows, so they survive a restart."""

from datetime import datetime

import asyncpg

from schemas.alerts import AlertKind
from schemas.signals import Severity
from services.chassis.jobs import Job, JobHandler, JobKind, RetryLater, handle
from services.chassis.unit import Args, Unit
from services.monitoring.alerting import Escalate, Trouble, escalate, move, open_alert
from services.monitoring.domain.alerts import Move, fingerprint
from services.monitoring.domain.heartbeats import silent_from
from services.monitoring.store import sql

SERVICE_WAIT_SECONDS = 0.5
SERVICE_WAIT_ATTEMPTS = 200


class Silence(Args):
    """A service whose next beat is overdue, unless one has come since `beat_at`."""

    service_id: str
    beat_at: datetime


class LateBeat(Args):
    """A beat of a service that is perhaps not known yet."""

    service_id: str
    tenant_id: str
    beat_at: datetime


class Report(Args):
    """An incident of a service that is perhaps not known yet."""

    event_id: str
    service_id: str
    tenant_id: str
    severity: Severity
    summary: str


silence = JobKind("silence", Silence, attempts=None)
late_beat = JobKind("late_beat", LateBeat, attempts=SERVICE_WAIT_ATTEMPTS)
report = JobKind("report", Report, attempts=SERVICE_WAIT_ATTEMPTS)


async def wind_up(service: asyncpg.Record, beat_at: datetime, unit: Unit) -> None:
    """Wind up the dead man's switch; a beat after silence ends the alert. An older beat that comes late changes nothing."""
    beat_at = max(beat_at, service["last_beat_at"] or beat_at)
    await sql.beat(unit.db, id=service["id"], at=beat_at)
    if service["heartbeat_seconds"]:
        due = silent_from(beat_at, service["heartbeat_seconds"])
        unit.enqueue(silence, Silence(service_id=service["id"], beat_at=beat_at), at=due, key=service["id"])
    trouble = fingerprint(service["tenant_id"], service["id"], AlertKind.HEARTBEAT_MISSING)
    if alert_id := await sql.open_alert_of(unit.db, fingerprint=trouble):
        await move(alert_id, Move.RESOLVE, "heartbeat", unit)


async def run_late_beat(job: Job[LateBeat]) -> None:
    """Take a beat in, as soon as its service is known here."""
    async with job.finish() as unit:
        service = await sql.service(unit.db, id=job.args.service_id)
        if service is None or service["tenant_id"] != job.args.tenant_id:
            raise RetryLater(SERVICE_WAIT_SECONDS, "the service is not known here yet")
        await wind_up(service, job.args.beat_at, unit)


async def run_silence(job: Job[Silence]) -> None:
    """Open an alert for a service that has gone silent."""
    async with job.finish() as unit:
        service = await sql.service(unit.db, id=job.args.service_id)
        if service["last_beat_at"] != job.args.beat_at:
            return
        await open_alert(
            Trouble(
                cause=f"silence|{service['id']}|{job.args.beat_at.isoformat()}", kind=AlertKind.HEARTBEAT_MISSING,
                severity=Severity.P2, tenant_id=service["tenant_id"], service_id=service["id"], sku=service["sku"],
                summary=f"{service['sku']}: no sign of life since {job.args.beat_at:%Y-%m-%d %H:%M} UTC",
            ),
            unit,
        )  # fmt: skip


async def run_report(job: Job[Report]) -> None:
    """Open an alert for a reported incident, as soon as the service is known here."""
    async with job.finish() as unit:
        service = await sql.service(unit.db, id=job.args.service_id)
        if service is None or service["tenant_id"] != job.args.tenant_id:
            raise RetryLater(SERVICE_WAIT_SECONDS, "the service is not known here yet")
        await open_alert(
            Trouble(
                cause=f"incident|{job.args.event_id}", kind=AlertKind.INCIDENT, severity=job.args.severity,
                tenant_id=service["tenant_id"], service_id=service["id"], sku=service["sku"], summary=job.args.summary,
            ),
            unit,
        )  # fmt: skip


async def run_escalate(job: Job[Escalate]) -> None:
    """The time to answer is over: if nobody has, the operator joins."""
    async with job.finish() as unit:
        await move(job.args.alert_id, Move.ESCALATE, "clock", unit)


JOBS: tuple[JobHandler, ...] = (
    handle(silence, run_silence),
    handle(report, run_report),
    handle(escalate, run_escalate),
)
