"""Note that a service is suspended, serves again or ended, and act on it when that instant is there.

While a service is not active, its silence is no trouble. Once it serves again, its silence counts from then on.
"""

from schemas.alerts import AlertKind
from schemas.tenants import LifeState, StateChanged
from services.chassis.unit import Unit
from services.monitoring import store
from services.monitoring.domain.alerts import Move, fingerprint
from services.monitoring.job_kinds import StateDue, state_due
from services.monitoring.store import sql
from services.monitoring.usecases.move_alert import move_alert
from services.monitoring.usecases.watch_silence import start_timer


async def note_state(tenant_id: str, data: StateChanged, unit: Unit) -> None:
    """Save the state, and ask to be called when it is due."""
    await sql.add_service(unit.db, id=data.service_id, tenant_id=tenant_id, sku=data.sku)
    await sql.add_state(
        unit.db, service_id=data.service_id, state=data.state, effective_at=data.effective_at
    )
    due = StateDue(service_id=data.service_id, effective_at=data.effective_at)
    key = f"{data.service_id}|{data.effective_at.isoformat()}"
    unit.enqueue(state_due, due, at=max(data.effective_at, unit.now), key=key)


async def take_state(args: StateDue, unit: Unit) -> None:
    """The instant is there. Whatever was said since counts: the state is the one of now."""
    service = await store.lock_service(unit.db, args.service_id)
    if service is None:
        raise LookupError(args.service_id)
    state = await store.state_at(unit.db, service.id, unit.now)
    if state is not LifeState.ACTIVE:
        trouble = fingerprint(service.tenant_id, service.id, AlertKind.HEARTBEAT_MISSING)
        if alert_id := await sql.open_alert_of(unit.db, fingerprint=trouble):
            await move_alert(alert_id, Move.RESOLVE, state, unit)
    elif service.last_beat_at is not None:  # one that has never reported itself is not watched
        at = max(service.last_beat_at, args.effective_at)
        await sql.beat(unit.db, id=service.id, at=at)
        start_timer(service, at, unit)
