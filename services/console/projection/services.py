"""The services of tenants and their quantities."""

from typing import Any

from schemas.envelope import Event
from schemas.tenants import (
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    ServiceRemoved,
    StateChanged,
)
from services.chassis.unit import Unit
from services.console.domain.stages import ServiceStage
from services.console.store import sql


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service lives."""
    await _service(event, unit)
    await sql.order_goes_on(unit.db, id=event.data.order_id)


async def service_changed(event: Event[ServiceChanged], unit: Unit) -> None:
    """A service has other quantities."""
    await _service(event, unit)
    await sql.order_goes_on(unit.db, id=event.data.order_id)


async def _service(event: Event[Any], unit: Unit) -> None:
    data = event.data.model_dump(mode="json")
    await sql.put_service(
        unit.db, id=data["service_id"], tenant_id=event.subject, sku=data["sku"], state=ServiceStage.ACTIVE,
        quantities=data["quantities"], effective_at=event.data.effective_at, explanation=None,
    )  # fmt: skip


async def state_changed(event: Event[StateChanged], unit: Unit) -> None:
    """A service is suspended, serves again, or ended: from an instant on."""
    data = event.data
    await sql.add_service_state(
        unit.db, service_id=data.service_id, state=ServiceStage(data.state), effective_at=data.effective_at,
        reason=getattr(data, "reason", None),
    )  # fmt: skip


async def service_removed(event: Event[ServiceRemoved], unit: Unit) -> None:
    """Nothing is left of a service that has ended."""
    await sql.add_service_state(
        unit.db, service_id=event.data.service_id, state=ServiceStage.REMOVED, effective_at=event.time, reason=None,
    )  # fmt: skip


async def provisioning_failed(event: Event[ProvisioningFailed], unit: Unit) -> None:
    """A service could not be made."""
    data = event.data
    await sql.put_service(
        unit.db, id=data.service_id, tenant_id=event.subject, sku=data.sku, state=ServiceStage.FAILED, quantities={},
        effective_at=None, explanation=data.explanation,
    )  # fmt: skip
