"""Whether a service has acted on all that a topic held at some instant: asked of Kafka and of the database's offsets.

For timers that draw a conclusion from what did *not* come. After a restart, or with a backlog, what came is in the log
and not read yet, whatever the clock says. The offsets are those of all copies of the service, so it does not matter which
copy reads the partition.
"""

import asyncio
import time
from datetime import datetime

from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from schemas.topics import Topic
from services.chassis import store
from services.chassis.database import Connection
from services.chassis.engine.logbook import Logbook, TopicMissing
from services.chassis.engine.marks import Marks
from services.chassis.kafka_login import KafkaServers
from services.chassis.logs import logger
from services.chassis.store import Log

ASK_AGAIN_SECONDS = 1.0
"""After a failure: many jobs may want the answer."""

_place = DefaultPartitioner()
log = logger(__name__)


def partition_of(key: str, partitions: int) -> int:
    """Where the producers of Vicino put a key, of a topic with so many partitions."""
    every = list(range(partitions))
    return int(_place(key.encode(), every, every))


class ReadUp:
    """What is known of one topic, shared by all jobs of a process that wait for it."""

    def __init__(self, servers: KafkaServers, prefix: str, topic: Topic) -> None:
        self._servers, self._name, self._topic = servers, prefix + topic.name, topic
        self._logbook: Logbook | None = None
        self._asking = asyncio.Lock()
        self._not_before = 0.0
        self._asked_at: datetime | None = None
        self._log_id = ""
        self._marks: dict[int, Marks] = {}

    async def has_read(self, db: Connection, key: str, instant: datetime, now: datetime) -> bool:
        """Whether all records of a key that Kafka had at the instant, which is past at `now`, have had their effect.

        False also while Kafka does not say where its logs end. Looks at the database's offsets; asks Kafka once for
        all that was due by then.
        """
        if not await self._knows(instant, now):
            return False
        log_id, known = self._log_id, self._marks
        for part in self._parts(key, len(known)):
            if not known[part].advance(
                await store.next_offset(db, Log(self._topic.name, part, log_id))
            ):
                self._marks, self._asked_at = {}, None
                return False
            if not known[part].is_read(instant):
                return False
        return True

    def _parts(self, key: str, count: int) -> list[int]:
        """Where records of a key may be: after a topic was given more partitions, older ones may be in any."""
        return [partition_of(key, count)] if count == self._topic.partitions else list(range(count))

    async def _knows(self, instant: datetime, now: datetime) -> bool:
        async with self._asking:
            if self._asked_at is not None and self._asked_at > now:  # the clock stepped back
                self._marks, self._asked_at = {}, None
            if self._asked_at is not None and self._asked_at >= instant:
                return True
            if time.monotonic() < self._not_before:
                return False
            try:
                await self._ask(now)
            except (TimeoutError, OSError, TopicMissing) as error:
                log.warning(
                    "kafka does not say where a topic ends", topic=self._name, error=repr(error)
                )
                self._not_before = time.monotonic() + ASK_AGAIN_SECONDS
                return False
            return self._asked_at is not None and self._asked_at >= instant

    async def _ask(self, now: datetime) -> None:
        """Ask where all partitions end, as of `now` or a little later. Raises `TimeoutError`, `TopicMissing`."""
        self._logbook = book = self._logbook or Logbook(self._servers)
        await book.refresh([self._name])
        log_id, count = book.known(self._name), book.partitions(self._name)
        ends = await book.ends([TopicPartition(self._name, part) for part in range(count)])
        if log_id != self._log_id or count != len(self._marks):
            self._log_id, self._marks = log_id, {part: Marks() for part in range(count)}
        for tp, end in ends.items():
            self._marks[tp.partition].add(now, end)
        self._asked_at = now
