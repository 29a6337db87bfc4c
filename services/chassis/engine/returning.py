"""Records that wait are retried by time: what they wait for may be the effect of a job, which no record announces."""

import asyncio
from dataclasses import dataclass

from schemas.topics import BY_NAME
from services.chassis import metrics, parking
from services.chassis.clock import Clock
from services.chassis.database import Pool
from services.chassis.engine.records import Routes, handle_waiting
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.logs import logger

LOOK_EVERY_SECONDS = 0.25
PAUSE_SECONDS = 2.0
"""After an error: the database does not answer, and readiness reports it."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Returning:
    """Tries again what waits in one service."""

    pool: Pool
    service: str
    clock: Clock
    table: Routes
    wait_seconds_max: float

    async def run(self) -> None:
        """Look for what is due, for ever. Several copies of a service may: rows are held while they are tried."""
        failing = False
        while True:
            try:
                await self.once()
                failing = False
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            except Exception as error:  # noqa: BLE001 - one message for each outage, then tried again
                if not failing:
                    log.warning("cannot try again what waits", error=repr(error))
                failing = True
                await asyncio.sleep(PAUSE_SECONDS)

    async def once(self) -> None:
        """Try everything that is due, each subject in a transaction of its own."""
        async with self.pool.acquire() as db:
            metrics.PARKED_OLDEST.set(await parking.oldest_seconds(db))
            subjects = await parking.due(db)
        for topic, subject in subjects:
            async with self.pool.acquire() as db, db.transaction():
                for row in await parking.waiting(db, topic, [subject]):
                    piece = Slice(BY_NAME[topic], parking.log_of(row), [parking.record_of(row)])
                    unit = SliceUnit(
                        db, self.service, self.clock.now(), piece, self.wait_seconds_max
                    )
                    await handle_waiting(row, unit, self.table)
                    await unit.flush()
