"""Timers: silence that became trouble, answers that did not come. Rows, so they survive a restart."""

from datetime import datetime
from functools import partial

import asyncpg

from schemas.alerts import AlertKind
from schemas.identity import event_name, joined
from schemas.signals import Severity
from services.chassis.jobs import Job, JobHandler, JobKind, NotYet, RetryLater, handle
from services.chassis.logs import logger
from services.chassis.unit import Args, Unit
from services.monitoring.alerting import Escalate, Trouble, escalate, move, open_alert
from services.monitoring.domain.alerts import Move, fingerprint
from services.monitoring.store import sql
from services.monitoring.watch import Silence, Watch, arm, look_again, silence

log = logger(__name__)

SERVICE_WAIT_SECONDS = 0.5
SERVICE_WAIT_SECONDS_MAX = 60.0
SERVICE_WAIT_ATTEMPTS = 200


class LateBeat(Args):
    """A beat of a service that is perhaps not known yet."""

    service_id: str
    tenant_id: str
    beat_at: datetime
    principal: str | None = None


class Report(Args):
    """An incident of a service that is perhaps not known yet."""

    event_id: str
    """Source and id as earlier builds joined them."""
    service_id: str
    tenant_id: str
    severity: Severity
    summary: str
    source: str = ""
    id: str = ""
    principal: str | None = None

    @property
    def cause(self) -> str:
        """The fact that told us. A job that an earlier build left says no more than `event_id`."""
        if not self.id:
            return joined("incident", self.tenant_id, self.event_id)
        return joined("incident", event_name(self.tenant_id, self.source, self.id, self.principal))


late_beat = JobKind("late_beat", LateBeat, attempts=SERVICE_WAIT_ATTEMPTS)
report = JobKind("report", Report, attempts=SERVICE_WAIT_ATTEMPTS)


async def is_anothers(tenant_id: str, principal: str | None, unit: Unit) -> bool:
    """Whether a reseller speaks of a tenant that is another's by now: the door, or this job's handler, did not know yet."""
    if principal is None or not await sql.is_anothers(unit.db, tenant_id=tenant_id, principal=principal):
        return False
    log.warning("a signal came from a reseller that no longer serves the tenant", tenant=tenant_id, principal=principal)
    return True


async def wind_up(service: asyncpg.Record, beat_at: datetime, unit: Unit) -> None:
    """Wind up the dead man's switch; a beat after silence ends the alert. An older beat that comes late changes nothing."""
    beat_at = max(beat_at, service["last_beat_at"] or beat_at)
    await sql.beat(unit.db, id=service["id"], at=beat_at)
    arm(service, beat_at, unit)
    trouble = fingerprint(service["tenant_id"], service["id"], AlertKind.HEARTBEAT_MISSING)
    if alert_id := await sql.open_alert_of(unit.db, fingerprint=trouble):
        await move(alert_id, Move.RESOLVE, "heartbeat", unit)


async def run_late_beat(job: Job[LateBeat]) -> None:
    """Take a beat in, as soon as its service is known here."""
    async with job.finish() as unit:
        service = await sql.service(unit.db, id=job.args.service_id)
        if service is None or service["tenant_id"] != job.args.tenant_id:
            wait = min(SERVICE_WAIT_SECONDS * job.attempt, SERVICE_WAIT_SECONDS_MAX)
            raise RetryLater(wait, "the service is not known here yet")
        if await is_anothers(job.args.tenant_id, job.args.principal, unit):
            return
        await wind_up(service, job.args.beat_at, unit)


async def run_silence(job: Job[Silence], watch: Watch) -> None:
    """Open an alert for a service that has gone silent, once it is known that no beat of it waits to be read."""
    is_silent = await watch.is_silent(job)
    async with job.finish() as unit:
        service = await sql.service(unit.db, id=job.args.service_id)
        if service is None or service["last_beat_at"] != job.args.beat_at or not service["heartbeat_seconds"]:
            return
        if await look_again(job, service, unit):
            return
        if not is_silent:
            raise NotYet(0, "silence came due while it was judged")
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
        if await is_anothers(job.args.tenant_id, job.args.principal, unit):
            return
        await open_alert(
            Trouble(
                cause=job.args.cause, cause_before=f"incident|{job.args.event_id}",
                kind=AlertKind.INCIDENT, severity=job.args.severity,
                tenant_id=service["tenant_id"], service_id=service["id"], sku=service["sku"], summary=job.args.summary,
            ),
            unit,
        )  # fmt: skip


async def run_escalate(job: Job[Escalate]) -> None:
    """The time to answer is over: if nobody has, the operator joins."""
    async with job.finish() as unit:
        await move(job.args.alert_id, Move.ESCALATE, "clock", unit)


def jobs(watch: Watch) -> tuple[JobHandler, ...]:
    """What runs each kind of job."""
    return (
        handle(silence, partial(run_silence, watch=watch)),
        handle(late_beat, run_late_beat),
        handle(report, run_report),
        handle(escalate, run_escalate),
    )
