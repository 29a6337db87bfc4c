"""The service that faults are done to: billing as it is, and beside its own work a record handler, facts and jobs whose
effects can be counted (`effects.sql`)."""

from dataclasses import replace

from schemas.alerts import AlertAcknowledged
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven
from services.billing import app
from services.chassis.backoff import Backoff
from services.chassis.engine.records import on, routes
from services.chassis.jobs import Job, JobKind, handle
from services.chassis.service import Service, run
from services.chassis.unit import Args, Rejected, Unit
from tests.faults import breaking

COUNT = "insert into {} (id) values ($1) on conflict (id) do update set n = {}.n + 1"
REFUSE = "refuse me"


class Call(Args):
    """What to call about."""

    event_id: str


call = JobKind(
    "call", Call, attempts=None, backoff=Backoff(0.1, max_seconds=1), lease_seconds=3, concurrency=4
)


async def acknowledged(event: Event[AcknowledgementGiven], unit: Unit) -> None:
    """Count the event, say a fact, ask for a call; refuse what asks to be refused."""
    await unit.db.execute(COUNT.format("record_effect", "record_effect"), event.id)
    if event.data.by == REFUSE:
        raise Rejected("refused", "as it asked")
    unit.publish(
        AlertAcknowledged(
            alert_id=event.data.alert_id, reseller_id="probe", by=event.id, acknowledged_at=unit.now
        ),
        subject=event.subject,
    )
    unit.enqueue(call, Call(event_id=event.id))


async def run_call(job: Job[Call]) -> None:
    """An outside call, at least once; its effect here, once."""
    async with job.read() as db:
        await db.execute("insert into job_call (id) values ($1)", job.args.event_id)
    async with job.finish() as unit:
        await unit.db.execute(COUNT.format("job_effect", "job_effect"), job.args.event_id)


def build(settings: app.BillingSettings) -> Service:
    """Billing, and the probe in it."""
    billing = app.build(settings)
    probe = routes(on(AcknowledgementGiven, acknowledged))
    return replace(
        billing, routes={**billing.routes, **probe}, jobs=(*billing.jobs, handle(call, run_call))
    )


if __name__ == "__main__":
    breaking.install()
    run(build(app.BillingSettings()))
