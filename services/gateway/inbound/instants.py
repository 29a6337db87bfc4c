"""The door's clock, and the highest instant it has shown: a clock that steps back must not refuse what was fine before."""

import asyncio
from datetime import datetime, timedelta

from schemas.horizon import SKEW_MAX
from services.chassis.clock import Clock
from services.chassis.database import is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.gateway import metrics
from services.gateway.store import sql

EVERY_SECONDS = 5.0
NOTICED = timedelta(seconds=1)

log = logger(__name__)


class Instants:
    """The highest instant that any copy of the gateway has seen, as far as this one knows."""

    def __init__(self) -> None:
        self._highest: datetime | None = None

    def see(self, at: datetime) -> datetime:
        """Note an instant; returns the highest."""
        self._highest = at if self._highest is None else max(self._highest, at)
        return self._highest

    def fair(self, clock: Clock) -> tuple[datetime, datetime]:
        """The instant by which times are judged, and the highest one.

        A clock that stepped back by no more than `SKEW_MAX` is not believed: what is behind the doors allows for that.
        """
        now = clock.now()
        highest = self.see(now)
        return (highest if highest - now <= SKEW_MAX else now), highest

    async def keep(self, runtime: Runtime) -> None:
        """Share the highest instant with the other copies, and with those after a restart, until the service stops."""
        while not runtime.stopping.is_set():
            now = runtime.clock.now()
            try:
                async with runtime.pool.acquire() as db:
                    self.see(await sql.see_clock(db, at=self.see(now)))
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("cannot share the clock", error=type(error).__name__)
            behind = self.see(now) - now
            metrics.CLOCK_BEHIND.set(behind.total_seconds() if behind > NOTICED else 0)
            await asyncio.sleep(EVERY_SECONDS)
