"""Events in: the catalogue, tenants and their services. Usage comes by the slice (`usage.py`)."""

from schemas.catalogue import CataloguePublished
from schemas.envelope import Event
from schemas.scalars import plain
from schemas.tenants import ServiceActivated, ServiceChanged, TenantAssigned, TenantRegistered
from schemas.topics import USAGE
from services.billing.jobs import CountService, count_service
from services.billing.store import sql
from services.billing.usage import usage_slice
from services.chassis.engine.records import on, routes
from services.chassis.engine.slices import on_slice
from services.chassis.unit import Unit


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Plans and meters in force."""
    data = event.data
    for plan in data.plans:
        await sql.put_plan(
            unit.db, sku=plan.sku, revision=data.revision, currency=data.currency, plan=plan.model_dump(mode="json")
        )
    for meter in data.meters:
        await sql.put_meter(unit.db, key=meter.key, revision=data.revision, meter=meter.model_dump(mode="json"))


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """Who will be invoiced."""
    data = event.data
    await sql.describe_tenant(
        unit.db, id=event.subject, external_id=data.external_id, zone=data.timezone, currency=data.currency,
        details=data.model_dump(mode="json"),
    )  # fmt: skip


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Whose business it is."""
    await sql.set_reseller(unit.db, id=event.subject, reseller_id=event.data.reseller_id)


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service counts from its effective date; its plan is frozen as sold once the catalogue is here."""
    data = event.data
    await sql.ensure_tenant(unit.db, id=event.subject)
    await _change(event.data, unit)
    unit.enqueue(
        count_service,
        CountService(
            service_id=data.service_id,
            tenant_id=event.subject,
            sku=data.sku,
            item=data.item,
            effective_at=data.effective_at,
        ),
        key=data.service_id,
    )


async def service_changed(event: Event[ServiceChanged], unit: Unit) -> None:
    """Quantities from a day on."""
    await _change(event.data, unit)


async def _change(data: ServiceActivated | ServiceChanged, unit: Unit) -> None:
    await sql.add_change(
        unit.db, service_id=data.service_id, effective_at=data.effective_at,
        quantities={meter: plain(n) for meter, n in data.quantities.items()},
    )  # fmt: skip


ROUTES = routes(
    on(CataloguePublished, catalogue_published),
    on(TenantRegistered, tenant_registered),
    on(TenantAssigned, tenant_assigned),
    on(ServiceActivated, service_activated),
    on(ServiceChanged, service_changed),
)
SLICES = (on_slice(USAGE, usage_slice),)
