"""Events in: signs of life, trouble, answers; and who serves whom."""

from schemas.alerts import AlertEscalated, AlertKind, AlertOpened, AlertRaised, EscalationReason
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event, Payload
from schemas.reasons import Reason
from schemas.signals import (
    AcknowledgementGiven,
    DoorPulsed,
    HeartbeatReceived,
    IncidentReported,
    ResolutionGiven,
    Severity,
)
from schemas.tenants import ProvisioningFailed, ServiceActivated, TenantAssigned
from services.chassis.engine.records import on, routes
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.monitoring import metrics
from services.monitoring.alerting import Trouble, move, open_alert
from services.monitoring.domain.alerts import Move
from services.monitoring.jobs import LateBeat, Report, is_anothers, late_beat, report, wind_up
from services.monitoring.store import sql
from services.monitoring.watch import note_pulse

OPERATOR = "operator"
ALERT_UNKNOWN = Reason.UNKNOWN_ALERT, "no such alert of this tenant"
NOT_YOURS = Reason.NOT_YOURS, "the tenant is another reseller's"


async def heartbeat_received(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """A sign of life; of a service not known here yet, it waits."""
    await _check_speaker(event, unit)
    service_id = event.data.service_id
    service = await sql.service(unit.db, id=service_id)
    if service is not None and service["tenant_id"] == event.subject:
        await wind_up(service, event.time, unit)
    else:
        beat = LateBeat(service_id=service_id, tenant_id=event.subject, beat_at=event.time, principal=event.principal)
        unit.enqueue(late_beat, beat, key=f"{event.subject}|{service_id}")


async def door_pulsed(event: Event[DoorPulsed], unit: Unit) -> None:
    """Signs of life could come in: only then does it mean something that one did not."""
    await note_pulse(event.subject, event.time, event.data.open_since, unit)


async def incident_reported(event: Event[IncidentReported], unit: Unit) -> None:
    """Somebody reports trouble."""
    await _check_speaker(event, unit)
    data = event.data
    unit.enqueue(
        report,
        Report(
            event_id=f"{event.source}|{event.id}", service_id=data.service_id, tenant_id=event.subject,
            severity=data.severity, summary=data.summary, source=event.source, id=event.id, principal=event.principal,
        ),
    )  # fmt: skip


async def provisioning_failed(event: Event[ProvisioningFailed], unit: Unit) -> None:
    """A service could not be made: the reseller must know."""
    data = event.data
    await sql.add_service(unit.db, id=data.service_id, tenant_id=event.subject, sku=data.sku)
    await open_alert(
        Trouble(
            cause=f"provisioning|{data.service_id}", kind=AlertKind.PROVISIONING_FAILED, severity=Severity.P3,
            tenant_id=event.subject, service_id=data.service_id, sku=data.sku,
            summary=f"{data.sku} could not be provisioned: its {data.step} back-end refused {data.attempts} times",
        ),
        unit,
    )  # fmt: skip


async def acknowledgement_given(event: Event[AcknowledgementGiven], unit: Unit) -> None:
    """The reseller has it in hand."""
    await _answer(event, event.data.alert_id, Move.ACKNOWLEDGE, event.data.by, unit)


async def resolution_given(event: Event[ResolutionGiven], unit: Unit) -> None:
    """The reseller has solved it."""
    await _answer(event, event.data.alert_id, Move.RESOLVE, event.data.by, unit)


async def _answer(event: Event[Payload], alert_id: str, step: Move, by: str, unit: Unit) -> None:
    """Only the tenant's reseller, or the operator, may answer; an answer that changes nothing is no error."""
    alert = await sql.lock_alert(unit.db, id=alert_id)
    if alert is None:
        raise Missing(*ALERT_UNKNOWN)
    if alert["tenant_id"] != event.subject:
        raise Rejected(*ALERT_UNKNOWN)
    responsible = await sql.responsible(unit.db, tenant_id=event.subject)
    if event.principal not in (responsible["reseller_id"] if responsible else None, OPERATOR):
        raise Rejected(*NOT_YOURS)
    await move(alert_id, step, by, unit)


async def _check_speaker(event: Event[Payload], unit: Unit) -> None:
    """What a reseller says of a tenant that is another's by now does not count. Raises `Rejected`."""
    if await is_anothers(event.subject, event.principal, unit):
        raise Rejected(*NOT_YOURS)


async def delivery_succeeded(event: Event[DeliverySucceeded], unit: Unit) -> None:
    """When the recipient had an alert."""
    if event.data.alert_id is not None:
        await _must_know(event.data.alert_id, unit)
        await sql.note_notified(unit.db, id=event.data.alert_id, at=event.data.delivered_at)


async def _must_know(alert_id: str, unit: Unit) -> None:
    """An alert that was told of is opened again after a restore, by a job. Raises `Missing` until then."""
    if await sql.is_known_alert(unit.db, id=alert_id) is None:
        raise Missing(*ALERT_UNKNOWN)


async def delivery_failed(event: Event[DeliveryFailed], unit: Unit) -> None:
    """Whoever should have been told was not, for good: the next one is told at once, whatever the calendar says."""
    data = event.data
    if data.alert_id is None:
        return
    await _must_know(data.alert_id, unit)
    if data.about in (AlertOpened.wire_type, AlertRaised.wire_type) and data.recipient != OPERATOR:
        await move(data.alert_id, Move.ESCALATE, "delivery", unit, EscalationReason.DELIVERY_FAILED)
    elif data.about in (AlertEscalated.wire_type, AlertRaised.wire_type):
        metrics.UNTOLD.inc()


async def tenant_assigned(event: Event[TenantAssigned], unit: Unit) -> None:
    """Who is told from now on."""
    data = event.data
    await sql.note_reseller(unit.db, id=data.reseller_id)
    await sql.set_reseller(unit.db, id=event.subject, reseller_id=data.reseller_id, distance_km=data.distance_km)


async def service_activated(event: Event[ServiceActivated], unit: Unit) -> None:
    """A service that may get into trouble."""
    await sql.add_service(unit.db, id=event.data.service_id, tenant_id=event.subject, sku=event.data.sku)


async def catalogue_published(event: Event[CataloguePublished], unit: Unit) -> None:
    """How often services report themselves."""
    for plan in event.data.plans:
        await sql.put_plan(
            unit.db, sku=plan.sku, revision=event.data.revision, heartbeat_seconds=plan.heartbeat_seconds
        )


async def reseller_registered(event: Event[ResellerRegistered], unit: Unit) -> None:
    """Whose calendar counts."""
    await sql.note_reseller(unit.db, id=event.data.reseller_id)
    await sql.put_reseller(unit.db, id=event.data.reseller_id, provincia=event.data.place.provincia)


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
    on(CataloguePublished, catalogue_published),
    on(ResellerRegistered, reseller_registered),
)
