"""Logins through the life of a master key: noted at the first start that knows of it, renewed when the key is replaced."""

import asyncio

from services.chassis.backoff import Backoff
from services.chassis.database import Connection, error_text, is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.onboarding.adapters.postgres import PostgresDriver
from services.onboarding.store import sql

RETRY = Backoff(first_seconds=1, max_seconds=60)

log = logger(__name__)


async def remember_logins(runtime: Runtime, driver: PostgresDriver) -> None:
    """Note beside every login that was made before logins were noted whose it is and which key made it; once."""
    failures = 0
    while True:
        try:
            async with runtime.pool.acquire() as db:
                ids = await _services(db)
            noted = await driver.remember(ids) if ids else 0
        except Exception as error:
            if not is_infrastructure(error):
                raise
            failures += 1
            log.warning("logins are not noted yet", error=error_text(error))
            await asyncio.sleep(RETRY.seconds(failures))
        else:
            if noted:
                log.info("logins of an earlier version are noted", logins=noted)
            return


async def rotate(db: Connection, driver: PostgresDriver) -> int:
    """Give every login the password that the current key makes; returns how many had another. May run again."""
    ids = await _services(db)
    await driver.remember(ids)
    changed = 0
    for service_id in ids:
        changed += await driver.rotate(service_id)
    return changed


async def _services(db: Connection) -> list[str]:
    return [row["id"] for row in await collect(sql.all_services(db))]
