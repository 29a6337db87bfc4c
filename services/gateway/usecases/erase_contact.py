"""Forget the person at a tenant."""

from services.chassis.logs import logger
from services.chassis.web import Problem
from services.gateway import metrics
from services.gateway.principals import tenant_keys
from services.gateway.usecases.registry import Registry

log = logger(__name__)


async def erase_contact(registry: Registry, tenant_id: str) -> None:
    """Forget the person at a tenant, in every copy there is. Raises `Problem` 404."""
    async with registry.runtime.pool.acquire() as db, db.transaction():
        if not await tenant_keys.erase(db, tenant_id):
            raise Problem(404, "Not Found", "no such tenant")
    metrics.ERASED.inc()
    log.info("the persons at a tenant were erased", tenant_id=tenant_id)
