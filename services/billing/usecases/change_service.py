"""Change a service's quantities from an instant on."""

from schemas.scalars import plain
from schemas.tenants import ServiceActivated, ServiceChanged
from services.billing.store import sql
from services.chassis.unit import Unit


async def change_service(data: ServiceActivated | ServiceChanged, unit: Unit) -> None:
    """Save all quantities of a service, as they are from `effective_at` on."""
    await sql.add_change(
        unit.db, service_id=data.service_id, effective_at=data.effective_at,
        quantities={meter: plain(n) for meter, n in data.quantities.items()},
    )  # fmt: skip
