"""Turn an incident that somebody reports, or a service that could not be made, into an alert."""

from schemas.alerts import AlertKind
from schemas.envelope import Event
from schemas.signals import IncidentReported, Severity
from schemas.tenants import ProvisioningFailed
from services.chassis.unit import Unit
from services.monitoring import store
from services.monitoring.domain.model import Trouble
from services.monitoring.job_kinds import Report, report
from services.monitoring.store import sql
from services.monitoring.usecases.check_speaker import check_speaker, is_anothers
from services.monitoring.usecases.open_alert import open_alert


class ServiceUnknown(LookupError):
    """The service that a signal speaks of is not known here yet."""

    def __init__(self) -> None:
        super().__init__("the service is not known here yet")


async def take_report(event: Event[IncidentReported], unit: Unit) -> None:
    """Ask for an alert, as soon as the service is known. Raises `Rejected` (`not_yours`)."""
    await check_speaker(event, unit)
    data = event.data
    unit.enqueue(
        report,
        Report(
            event_id=f"{event.source}|{event.id}", service_id=data.service_id, tenant_id=event.subject,
            severity=data.severity, summary=data.summary, source=event.source, id=event.id, principal=event.principal,
        ),
    )  # fmt: skip


async def open_reported(args: Report, unit: Unit) -> None:
    """Open the alert of a reported incident. Raises `ServiceUnknown`."""
    service = await store.lock_service(unit.db, args.service_id)
    if service is None or service.tenant_id != args.tenant_id:
        raise ServiceUnknown
    if await is_anothers(args.tenant_id, args.principal, unit):
        return
    trouble = Trouble(
        cause=args.cause, cause_before=f"incident|{args.event_id}", kind=AlertKind.INCIDENT, severity=args.severity,
        tenant_id=service.tenant_id, service_id=service.id, sku=service.sku, summary=args.summary,
    )  # fmt: skip
    await open_alert(trouble, unit)


async def report_failed_service(event: Event[ProvisioningFailed], unit: Unit) -> None:
    """A service could not be made: the reseller must know."""
    data = event.data
    await sql.add_service(unit.db, id=data.service_id, tenant_id=event.subject, sku=data.sku)
    trouble = Trouble(
        cause=f"provisioning|{data.service_id}", kind=AlertKind.PROVISIONING_FAILED, severity=Severity.P3,
        tenant_id=event.subject, service_id=data.service_id, sku=data.sku,
        summary=f"{data.sku} could not be provisioned: its {data.step} back-end refused {data.attempts} times",
    )  # fmt: skip
    await open_alert(trouble, unit)
