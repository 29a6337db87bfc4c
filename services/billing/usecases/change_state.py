"""Save that a service is suspended, serves again, or ended: from an instant on."""

from schemas.tenants import LifeState, StateChanged
from services.billing.metering.closing import mark_dirty
from services.billing.store import sql
from services.chassis.unit import Unit


async def change_state(tenant_id: str, data: StateChanged, unit: Unit) -> None:
    """Save the state. Fees follow from all facts at each run; usage of closed months is rated again, for an end cuts it."""
    await mark_dirty(unit.db, tenant_id, data.effective_at)
    await sql.add_state(
        unit.db, service_id=data.service_id, state=data.state, effective_at=data.effective_at, stored_at=unit.now,
    )  # fmt: skip
    if data.state is LifeState.ENDED:
        await sql.touch_catalogue(unit.db)  # whoever counts remembers services without an end
