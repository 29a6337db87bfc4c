"""What the gateway does not keep for ever: rows of refusals, old answers to orders, old lines of the delivery log."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

from services.chassis import metrics
from services.chassis.database import Connection, is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.gateway.metrics import WEBHOOKS_CLOSED
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.tenant_keys import adopt
from services.gateway.store import sql

EVERY_SECONDS = 600.0
ORDER_ANSWER_DAYS = 90
"""Longer than an order can come again: its time would then be too old (`LATE_MAX`)."""

DELIVERY_LOG = timedelta(days=400)

log = logger(__name__)


class Kept(NamedTuple):
    """A list of what was refused: how many rows it has at most, and the statements that look after it."""

    name: str
    rows: int
    prune: Callable[..., Awaitable[Any]]
    oldest: Callable[[Connection], Awaitable[Any]]


REFUSED = (
    Kept("refusals", 100_000, sql.prune_refusals, sql.oldest_refusal),
    Kept("rejected", 1_000_000, sql.prune_rejected, sql.oldest_rejected),
)
"""At the door, and behind it."""


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
        for kept in REFUSED:
            await _tidy_refused(db, runtime, kept)
        await adopt(db, Contacts(runtime.settings.keys()))
        WEBHOOKS_CLOSED.set(await sql.webhooks_closed(db))
        await sql.prune_orders(db, days=ORDER_ANSWER_DAYS)
        await sql.prune_notifications(db, before=runtime.clock.now() - DELIVERY_LOG)


async def _tidy_refused(db: Connection, runtime: Runtime, kept: Kept) -> None:
    """Drop what was refused beyond its number and age; say so if some is left that should be gone."""
    before = runtime.clock.now() - timedelta(days=runtime.settings.refused_days)
    try:
        await kept.prune(db, kept=kept.rows, before=before)
    finally:
        oldest = await kept.oldest(db)
        overdue = (before - oldest).total_seconds() if oldest is not None else 0.0
        metrics.REFUSED_OVERDUE.labels(kept.name).set(max(0.0, overdue))
