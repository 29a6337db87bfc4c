"""How current a read model is: the newest instant of which everything that Kafka held has had its effect.

Asked of Kafka and of the database's offsets, as `read_up.py` does: whichever copy of the service reads a partition.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from aiokafka import TopicPartition

from schemas.topics import Topic
from services.chassis import store
from services.chassis.engine.logbook import Logbook
from services.chassis.engine.marks import Marks
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.chassis.store import Log

EVERY_SECONDS = 1.0
PAUSE_SECONDS = 5.0
"""After a failure: what is shown goes on to say how old it is."""

log = logger(__name__)


class Freshness:
    """How current what a service shows is, of the topics that it reads. Give `keep` to the service as a background task."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._topics = topics
        self._marks: dict[Log, Marks] = {}
        self._asked_at: datetime | None = None
        self.instant: datetime | None = None
        """Everything up to here is shown; None: nothing is known yet."""

    async def keep(self, runtime: Runtime) -> None:
        """Find out again and again, for ever."""
        logbook, failing = Logbook(runtime.settings.kafka()), False
        while True:
            try:
                await self._look(logbook, runtime)
                failing = False
                await asyncio.sleep(EVERY_SECONDS)
            except Exception as error:  # noqa: BLE001 - one message for each outage; the instant stands still meanwhile
                if not failing:
                    log.warning("cannot tell how current the read model is", error=repr(error))
                failing = True
                await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self, logbook: Logbook, runtime: Runtime) -> None:
        now, prefix = runtime.clock.now(), runtime.settings.topic_prefix
        if self._asked_at is not None and now < self._asked_at:  # the clock stepped back
            self._marks.clear()
        self._asked_at = now
        names = {prefix + topic.name: topic.name for topic in self._topics}
        await logbook.refresh(names)
        ends = await logbook.ends(
            TopicPartition(name, part) for name in names for part in range(logbook.partitions(name))
        )
        logs = {
            Log(names[tp.topic], tp.partition, logbook.known(tp.topic)): end
            for tp, end in ends.items()
        }
        self._marks = {known: self._marks.get(known, Marks()) for known in logs}
        async with runtime.pool.acquire() as db:
            offsets = await store.next_offsets(db)
        for known, marks in self._marks.items():
            marks.add(now, logs[known])
            if not marks.advance(offsets.get(known, 0)):
                self._marks.clear()
                return
        read = [marks.read_at for marks in self._marks.values()]
        known_all = [at for at in read if at is not None]
        self.instant = min(known_all) if len(known_all) == len(read) else self.instant
