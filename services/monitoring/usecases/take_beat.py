"""Take in a sign of life: the timer of the service starts again, and an alert about its silence ends."""

from datetime import datetime

from schemas.alerts import AlertKind
from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from services.chassis.unit import Unit
from services.monitoring import store
from services.monitoring.domain.alerts import Move, fingerprint
from services.monitoring.domain.model import WatchedService
from services.monitoring.job_kinds import LateBeat, late_beat
from services.monitoring.store import sql
from services.monitoring.usecases.check_speaker import check_speaker, is_anothers
from services.monitoring.usecases.move_alert import move_alert
from services.monitoring.usecases.report_trouble import ServiceUnknown
from services.monitoring.usecases.watch_silence import start_timer


async def take_beat(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """A sign of life; one of a service that is not known here yet waits. Raises `Rejected` (`not_yours`)."""
    await check_speaker(event, unit)
    service_id = event.data.service_id
    service = await store.lock_service(unit.db, service_id)
    if service is not None and service.tenant_id == event.subject:
        await _start_again(service, event.time, unit)
    else:
        beat = LateBeat(
            service_id=service_id,
            tenant_id=event.subject,
            beat_at=event.time,
            principal=event.principal,
        )
        unit.enqueue(late_beat, beat, key=f"{event.subject}|{service_id}")


async def take_late_beat(args: LateBeat, unit: Unit) -> None:
    """A sign of life that waited for its service. Raises `ServiceUnknown`."""
    service = await store.lock_service(unit.db, args.service_id)
    if service is None or service.tenant_id != args.tenant_id:
        raise ServiceUnknown
    if not await is_anothers(args.tenant_id, args.principal, unit):
        await _start_again(service, args.beat_at, unit)


async def _start_again(service: WatchedService, beat_at: datetime, unit: Unit) -> None:
    """Start the timer again. An older heartbeat that comes late changes nothing."""
    beat_at = max(beat_at, service.last_beat_at or beat_at)
    await sql.beat(unit.db, id=service.id, at=beat_at)
    start_timer(service, beat_at, unit)
    trouble = fingerprint(service.tenant_id, service.id, AlertKind.HEARTBEAT_MISSING)
    if alert_id := await sql.open_alert_of(unit.db, fingerprint=trouble):
        await move_alert(alert_id, Move.RESOLVE, "heartbeat", unit)
