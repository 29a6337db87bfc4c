"""Report trouble in the words of a firm's owner: its reseller gets an alert, as from anyone who reports an incident."""

from schemas.signals import IncidentReported, Severity
from services.gateway import store
from services.gateway.usecases.registry import Registry

SAID_MAX = 500


class NotTheirs(LookupError):
    """The firm has no such service."""


async def report_by_owner(
    registry: Registry, tenant_id: str, service_id: str, severity: Severity, said: str, form_id: str
) -> None:
    """Publish it once, however often its form is sent. Raises `NotTheirs`."""
    async with registry.runtime.unit(f"owner|{tenant_id}|{form_id}") as unit:
        service = (await store.services(unit.db, [service_id])).get(service_id)
        if service is None or service.tenant_id != tenant_id or service.has_ended(unit.now):
            raise NotTheirs("the firm has no such service")
        incident = IncidentReported(service_id=service_id, severity=severity, summary=said)
        unit.publish(incident, subject=tenant_id)
