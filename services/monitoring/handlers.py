"""Events in: signs of life, trouble, answers; and who serves whom. Each handler calls its use case."""

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event
from schemas.signals import (
    AcknowledgementGiven,
    DoorPulsed,
    HeartbeatReceived,
    IncidentReported,
    ResolutionGiven,
)
from schemas.tenants import (
    ProvisioningFailed,
    ServiceActivated,
    ServiceEnded,
    ServiceResumed,
    ServiceSuspended,
    StateChanged,
    TenantAssigned,
)
from services.chassis.engine.records import on, routes
from services.chassis.unit import Unit
from services.monitoring.domain.alerts import Move
from services.monitoring.usecases.answer_alert import answer_alert, note_delivered, note_undelivered
from services.monitoring.usecases.change_state import note_state
from services.monitoring.usecases.know_tenants import (
    know_intervals,
    know_reseller,
    know_reseller_of,
    know_service,
)
from services.monitoring.usecases.report_trouble import report_failed_service, take_report
from services.monitoring.usecases.take_beat import take_beat
from services.monitoring.usecases.watch_silence import note_pulse


async def heartbeat_received(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """A service says that it is alive."""
    await take_beat(event, unit)


async def door_pulsed(event: Event[DoorPulsed], unit: Unit) -> None:
    """Signs of life could come in: only then does it mean something that one did not."""
    await note_pulse(event.subject, event.time, event.data.open_since, unit)


async def incident_reported(event: Event[IncidentReported], unit: Unit) -> None:
    """Somebody reports trouble."""
    await take_report(event, unit)


async def provisioning_failed(event: Event[ProvisioningFailed], unit: Unit) -> None:
    """A service could not be made."""
    await report_failed_service(event, unit)


async def acknowledgement_given(event: Event[AcknowledgementGiven], unit: Unit) -> None:
    """The reseller has it in hand."""
    await answer_alert(event, event.data.alert_id, Move.ACKNOWLEDGE, event.data.by, unit)


async def resolution_given(event: Event[ResolutionGiven], unit: Unit) -> None:
    """The reseller has solved it."""
    await answer_alert(event, event.data.alert_id, Move.RESOLVE, event.data.by, unit)


async def delivery_succeeded(event: Event[DeliverySucceeded], unit: Unit) -> None:
    """A recipient has its notification."""
    await note_delivered(event.data, unit)


async def delivery_failed(event: Event[DeliveryFailed], unit: Unit) -> None:
    """A notification failed for good."""
    await note_undelivered(event.data, unit)


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """A tenant has a reseller."""
    await know_reseller_of(event.subject, event.data, unit)


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service is there."""
    await know_service(event.subject, event.data, unit)


async def state_changed(event: Event[StateChanged], unit: Unit) -> None:
    """A service is suspended, serves again, or ended."""
    await note_state(event.subject, event.data, unit)


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """Other plans are on sale."""
    await know_intervals(event.data, unit)


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """A reseller is new, or has moved."""
    await know_reseller(event.data, unit)


ROUTES = routes(
    on(HeartbeatReceived, heartbeat_received),
    on(DoorPulsed, door_pulsed),
    on(IncidentReported, incident_reported),
    on(AcknowledgementGiven, acknowledgement_given),
    on(ResolutionGiven, resolution_given),
    on(ProvisioningFailed, provisioning_failed),
    on(DeliverySucceeded, delivery_succeeded),
    on(DeliveryFailed, delivery_failed),
    on(TenantAssigned, tenant_assigned),
    on(ServiceActivated, service_activated),
    on(ServiceSuspended, state_changed),
    on(ServiceResumed, state_changed),
    on(ServiceEnded, state_changed),
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
)
