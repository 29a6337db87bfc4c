"""How much waits for somebody, and for how long the oldest: a tenant for a reseller, an alert for an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from services.chassis import metrics
from services.chassis.database import Connection, is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime

EVERY_SECONDS = 10.0

Question = Callable[[Connection, datetime], Awaitable[Any]]
"""Gives a row: `n` things wait at an instant, the oldest `since`."""

log = logger(__name__)


def measuring(questions: Mapping[str, Question]) -> Callable[[Runtime], Awaitable[None]]:
    """A background task that measures each kind of waiting, by the injected clock, until the service stops."""
    for kind in questions:
        metrics.WAITING.labels(kind)
        metrics.WAITING_OLDEST.labels(kind)

    async def keep(runtime: Runtime) -> None:
        while not runtime.stopping.is_set():
            try:
                await measure(runtime, questions)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("cannot measure what waits", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    return keep


async def measure(runtime: Runtime, questions: Mapping[str, Question]) -> None:
    """Ask how much waits, and say so in the metrics."""
    now = runtime.clock.now()
    async with runtime.pool.acquire() as db:
        for kind, ask in questions.items():
            row = await ask(db, now)
            seconds = 0.0 if row["since"] is None else (now - row["since"]).total_seconds()
            metrics.WAITING.labels(kind).set(row["n"])
            metrics.WAITING_OLDEST.labels(kind).set(max(0.0, seconds))
