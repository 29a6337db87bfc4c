"""The door's pulse: proof, in the log that signals take, that signals could come in.

Monitoring takes silence for trouble only while pulses say that the door was open: a door that was unavailable must not
make every service look silent. A pulse goes by the producer of the doors, and asks the database as a request does.
"""

import asyncio
import time
from datetime import datetime, timedelta
from uuid import uuid4

from aiokafka.errors import KafkaError

from schemas.envelope import Event
from schemas.signals import DoorPulsed
from schemas.topics import SIGNALS
from services.chassis.database import is_infrastructure
from services.chassis.engine.read_up import partition_of
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.gateway import metrics

EVERY = timedelta(seconds=30)
LOOK_SECONDS = 1.0
STALLED_SECONDS = 45.0
"""A process that sent no pulse for so long was paused, whatever its clock says."""

SEND_TIMEOUT_SECONDS = 5.0
SOURCE = "/vicino/gateway/pulse"

log = logger(__name__)


def subjects(partitions: int) -> list[str]:
    """One name for each partition, that producers put there."""
    found: dict[int, str] = {}
    n = 0
    while len(found) < partitions:
        found.setdefault(partition_of(f"door-{n}", partitions), f"door-{n}")
        n += 1
    return [found[part] for part in range(partitions)]


class Pulse:
    """What this copy of the door knows of itself: from when on nothing has kept it from letting everything in."""

    def __init__(self) -> None:
        self._subjects = subjects(SIGNALS.partitions)
        self._open_since: datetime | None = None
        self._pulsed_at: datetime | None = None
        self._sent = 0.0
        self._unavailable = 0.0

    async def keep(self, runtime: Runtime) -> None:
        """Send pulses until the service stops. By the injected clock, which may leap."""
        while not runtime.stopping.is_set():
            now = runtime.clock.now()
            if self._pulsed_at is None or abs(now - self._pulsed_at) >= EVERY:
                await self._pulse(runtime, now)
                self._pulsed_at = now
            await asyncio.sleep(LOOK_SECONDS)

    async def _pulse(self, runtime: Runtime, now: datetime) -> None:
        unavailable = sum(
            s.value
            for s in next(iter(metrics.UNAVAILABLE.collect())).samples
            if s.name.endswith("_total")
        )
        stalled = time.monotonic() - self._sent > STALLED_SECONDS
        if (
            self._open_since is None
            or stalled
            or unavailable != self._unavailable
            or now < self._open_since
        ):
            self._open_since = now
        self._unavailable, self._sent = unavailable, time.monotonic()
        try:
            await self._send(runtime, now, self._open_since)
        except Exception as error:
            if not isinstance(error, KafkaError) and not is_infrastructure(error):
                raise
            self._open_since = None
            metrics.PULSES.labels("failed").inc()
            log.warning("the door cannot send its pulse", error=type(error).__name__)

    async def _send(self, runtime: Runtime, now: datetime, open_since: datetime) -> None:
        """Raises what a request would meet."""
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS), runtime.pool.acquire() as db:
            await db.execute("select 1")
        data = DoorPulsed(open_since=open_since)
        events = [
            Event(str(uuid4()), SOURCE, data.wire_type, subject, now, data)
            for subject in self._subjects
        ]
        messages = [(SIGNALS.name, event.subject.encode(), event.encode(), ()) for event in events]
        await runtime.producer.send_all(messages, SEND_TIMEOUT_SECONDS)
        metrics.PULSES.labels("sent").inc()
