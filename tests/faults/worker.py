"""The service that faults are done to: a record handler, a slice handler, facts and jobs, whose effects can be counted."""

from pathlib import Path

from schemas.alerts import AlertAcknowledged
from schemas.envelope import Event, Malformed, decode
from schemas.signals import AcknowledgementGiven
from schemas.topics import SIGNALS, USAGE
from services.chassis.backoff import Backoff
from services.chassis.engine.records import on, routes
from services.chassis.engine.slices import Slice, SliceUnit, on_slice
from services.chassis.jobs import Job, JobKind, handle
from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args, Rejected, Unit

NAME = "probe"
MIGRATIONS = Path(__file__).parent / "migrations"
COUNT = "insert into {} (id) values ($1) on conflict (id) do update set n = {}.n + 1"
REFUSE = "refuse me"


class Call(Args):
    """What to call about."""

    event_id: str


call = JobKind("call", Call, attempts=None, backoff=Backoff(0.1, max_seconds=1), lease_seconds=3, concurrency=4)


async def acknowledged(event: Event[AcknowledgementGiven], unit: Unit) -> None:
    """Count the event, say a fact, ask for a call; refuse what asks to be refused."""
    await unit.db.execute(COUNT.format("record_effect", "record_effect"), event.id)
    if event.data.by == REFUSE:
        raise Rejected("refused", "as it asked")
    unit.publish(
        AlertAcknowledged(alert_id=event.data.alert_id, reseller_id="probe", by=event.id, acknowledged_at=unit.now),
        subject=event.subject,
    )
    unit.enqueue(call, Call(event_id=event.id))


async def usage_slice(piece: Slice, unit: SliceUnit) -> None:
    """Count each record of a slice; keep what cannot be read."""
    for record in piece.records:
        try:
            event = decode(record.value or b"")
        except Malformed as fault:
            unit.reject(record, fault.reason, fault.detail)
        else:
            await unit.db.execute(COUNT.format("slice_effect", "slice_effect"), event.id)


async def run_call(job: Job[Call]) -> None:
    """An outside call, at least once; its effect here, once."""
    async with job.read() as db:
        await db.execute("insert into job_call (id) values ($1)", job.args.event_id)
    async with job.finish() as unit:
        await unit.db.execute(COUNT.format("job_effect", "job_effect"), job.args.event_id)


def build(settings: ServiceSettings) -> Service:
    """The probe."""
    return Service(
        NAME, settings, MIGRATIONS, routes=routes(on(AcknowledgementGiven, acknowledged)),
        slices=(on_slice(USAGE, usage_slice),), jobs=(handle(call, run_call),),
    )  # fmt: skip


READS = (SIGNALS, USAGE)

if __name__ == "__main__":
    run(build(ServiceSettings()))
