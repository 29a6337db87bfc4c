"""Save that a service is suspended, serves again, or ended: from an instant on."""

from datetime import datetime

from services.billing.domain.service_life import LifeState
from services.billing.metering.closing import mark_dirty
from services.billing.store import sql
from services.chassis.unit import Unit


async def change_state(
    tenant_id: str, service_id: str, state: LifeState, effective_at: datetime, unit: Unit
) -> None:
    """Save the state. Fees follow from all facts at each run; usage of closed months is rated again, for an end cuts it."""
    await mark_dirty(unit.db, tenant_id, effective_at)
    await sql.add_state(
        unit.db, service_id=service_id, state=state, effective_at=effective_at, stored_at=unit.now
    )
    if state is LifeState.ENDED:
        await sql.touch_catalogue(unit.db)  # whoever counts remembers services without an end
