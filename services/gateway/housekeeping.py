"""What the gateway does not keep for ever: rows of refusals, old answers to orders, old lines of the delivery log."""

import asyncio
from datetime import timedelta

from services.chassis import metrics
from services.chassis.database import Connection, is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.gateway.metrics import WEBHOOKS_CLOSED
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.tenant_keys import adopt
from services.gateway.store import sql

EVERY_SECONDS = 600.0
REFUSALS_KEPT = 100_000
REJECTED_KEPT = 1_000_000
ORDER_ANSWER_DAYS = 90
"""Longer than an order can come again: its time would then be too old (`LATE_MAX`)."""

DELIVERY_LOG = timedelta(days=400)

log = logger(__name__)


async def keep_house(runtime: Runtime) -> None:
    """Tidy up now and then, until the service stops."""
    while not runtime.stopping.is_set():
        try:
            await tidy(runtime)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("cannot tidy up", error=repr(error))
        await asyncio.sleep(EVERY_SECONDS)


async def tidy(runtime: Runtime) -> None:
    """Drop what is beyond its time."""
    async with runtime.pool.acquire() as db:
        await _tidy_refusals(db, runtime)
        await _tidy_rejected(db, runtime)
        await adopt(db, Contacts(runtime.settings.keys()))
        WEBHOOKS_CLOSED.set(await sql.webhooks_closed(db))
        await sql.prune_orders(db, days=ORDER_ANSWER_DAYS)
        await sql.prune_notifications(db, before=runtime.clock.now() - DELIVERY_LOG)


async def _tidy_refusals(db: Connection, runtime: Runtime) -> None:
    """Drop refusals beyond their number and age; say so if one is left that should be gone."""
    before = runtime.clock.now() - timedelta(days=runtime.settings.refused_days)
    try:
        await sql.prune_refusals(db, kept=REFUSALS_KEPT, before=before)
    finally:
        oldest = await sql.oldest_refusal(db)
        overdue = (before - oldest).total_seconds() if oldest is not None else 0.0
        metrics.REFUSED_OVERDUE.labels("refusals").set(max(0.0, overdue))


async def _tidy_rejected(db: Connection, runtime: Runtime) -> None:
    """The same for what was refused behind the door."""
    before = runtime.clock.now() - timedelta(days=runtime.settings.refused_days)
    try:
        await sql.prune_rejected(db, kept=REJECTED_KEPT, before=before)
    finally:
        oldest = await sql.oldest_rejected(db)
        overdue = (before - oldest).total_seconds() if oldest is not None else 0.0
        metrics.REFUSED_OVERDUE.labels("rejected").set(max(0.0, overdue))
