"""Save a service's quantities: each is a fact of one component, from an instant on."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from schemas.tenants import ServiceChanged
from services.billing.metering.closing import mark_dirty
from services.billing.store import sql
from services.chassis.unit import Unit


async def change_service(tenant_id: str, data: ServiceChanged, unit: Unit) -> None:
    """Save the quantities that changed; a fact of an earlier build says all of them.

    Fees follow from all facts at each run. Usage is rated again for months that are closed: a pool may have changed.
    """
    await mark_dirty(unit.db, tenant_id, data.effective_at)
    changed = data.quantities if data.changed is None else data.changed
    await save_quantities(data.service_id, changed, data.effective_at, unit)


async def save_quantities(
    service_id: str, quantities: Mapping[str, Decimal], effective_at: datetime, unit: Unit
) -> None:
    """Save quantities of a service, by name."""
    await sql.add_quantities(
        unit.db, service_id=service_id, effective_at=effective_at, stored_at=unit.now, names=list(quantities),
        quantities=list(quantities.values()),
    )  # fmt: skip
