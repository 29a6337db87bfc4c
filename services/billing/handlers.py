"""Events in: the catalogue, tenants and their services. Usage comes by the slice (`metering/intake.py`)."""

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.tenants import (
    ServiceActivated,
    ServiceChanged,
    ServiceEnded,
    ServiceResumed,
    ServiceSuspended,
    StateChanged,
    TaxProfileChanged,
    TenantAssigned,
    TenantRegistered,
)
from services.billing.usecases.change_service import change_service
from services.billing.usecases.change_state import change_state
from services.billing.usecases.publish_catalogue import publish_catalogue
from services.billing.usecases.register_reseller import register_reseller
from services.billing.usecases.register_tenant import (
    assign_tenant,
    change_tax_profile,
    register_tenant,
)
from services.billing.usecases.start_service import start_service
from services.chassis.engine.records import on, routes
from services.chassis.unit import Unit


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Plans and meters in force. What waited for this catalogue is counted."""
    await publish_catalogue(event.data, unit)


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """Resellers are numbered with the catalogue: what waited for that revision is counted."""
    await register_reseller(event.data, unit)


async def tenant_registered(event: Event[TenantRegistered], unit: Unit) -> None:
    """Who will be invoiced."""
    await register_tenant(event.subject, event.data, unit)


async def tax_profile_changed(event: Event[TaxProfileChanged], unit: Unit) -> None:
    """How its next documents are taxed."""
    await change_tax_profile(event.subject, event.data, unit)


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Which reseller serves a tenant."""
    await assign_tenant(event.subject, event.data, event.time, unit)


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service counts from its effective date; its plan is frozen as sold once the catalogue is here."""
    await start_service(event.subject, event.data, unit)


async def service_changed(event: Event[ServiceChanged], unit: Unit) -> None:
    """Quantities from a day on."""
    await change_service(event.subject, event.data, unit)


async def state_changed(event: Event[StateChanged], unit: Unit) -> None:
    """It is suspended, serves again, or ended: its fees and its usage follow."""
    await change_state(event.subject, event.data, unit)


ROUTES = routes(
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
    on(TenantRegistered, tenant_registered),
    on(TaxProfileChanged, tax_profile_changed),
    on(TenantAssigned, tenant_assigned),
    on(ServiceActivated, service_activated),
    on(ServiceChanged, service_changed),
    on(ServiceSuspended, state_changed),
    on(ServiceResumed, state_changed),
    on(ServiceEnded, state_changed),
)
