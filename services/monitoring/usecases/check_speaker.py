"""Whether whoever sent a signal may still speak for the tenant: when the door let it in, that was perhaps not known."""

from schemas.envelope import Event, Payload
from schemas.reasons import Reason
from services.chassis.logs import logger
from services.chassis.unit import Rejected, Unit
from services.monitoring.store import sql

NOT_YOURS = Reason.NOT_YOURS, "the tenant is another reseller's"

log = logger(__name__)


async def is_anothers(tenant_id: str, principal: str | None, unit: Unit) -> bool:
    """Whether a reseller speaks of a tenant that is another's by now."""
    if principal is None or not await sql.is_anothers(
        unit.db, tenant_id=tenant_id, principal=principal
    ):
        return False
    log.warning(
        "a signal came from a reseller that no longer serves the tenant",
        tenant=tenant_id,
        principal=principal,
    )
    return True


async def check_speaker(event: Event[Payload], unit: Unit) -> None:
    """What a reseller says of a tenant that is another's by now does not count. Raises `Rejected` (`not_yours`)."""
    if await is_anothers(event.subject, event.principal, unit):
        raise Rejected(*NOT_YOURS)
