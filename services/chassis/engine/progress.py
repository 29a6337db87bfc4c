"""Where each partition of a consumer stands: the next offset, the end of its log, and what stops it."""

import time
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition

from schemas.topics import Topic
from services.chassis import metrics
from services.chassis.logs import logger
from services.chassis.store import Log

READS_MAX = 3
"""A batch may be corrupted on its way. One that cannot be read this often is corrupt in the log."""

STUCK_AFTER_SECONDS = 30.0

log = logger(__name__)


class Progress:
    """What a consumer knows of its partitions. It makes no calls: the consumer notes here what happened."""

    def __init__(self) -> None:
        self.next_offsets: dict[TopicPartition, int] = {}
        """Of each partition that was positioned: the offset of the next record."""
        self.logs: dict[TopicPartition, Log] = {}
        """The log that each partition was positioned in."""
        self.ends: dict[TopicPartition, int] = {}
        """Where partitions end, as another client learnt it from Kafka: a dead fetcher does not know."""
        self.halted: dict[TopicPartition, str] = {}
        """Partitions that wait for a person, and why."""
        self._moved: dict[TopicPartition, float] = {}
        self._uncommitted: dict[TopicPartition, int] = {}
        self._unreadable: dict[TopicPartition, tuple[int, int]] = {}

    def position(self, tp: TopicPartition, offset: int) -> None:
        """A partition is read from here on; nothing stops it any more."""
        self.next_offsets[tp] = offset
        self.touch(tp)
        self.unhalt(tp)

    def advance(self, tp: TopicPartition, known: Log, next_offset: int) -> bool:
        """Records before this offset are done; False when the partition was positioned in another log since."""
        if self.logs.get(tp) != known:
            return False
        self.next_offsets[tp] = self._uncommitted[tp] = next_offset
        self.touch(tp)
        return True

    def touch(self, tp: TopicPartition) -> None:
        """A partition has moved, or has nothing to move for."""
        self._moved[tp] = time.monotonic()

    def forget(self, tp: TopicPartition) -> None:
        """A partition is not ours any more."""
        self.next_offsets.pop(tp, None)
        self.logs.pop(tp, None)
        self._uncommitted.pop(tp, None)
        self.unhalt(tp)

    def partitions(self, topics: Mapping[str, Topic]) -> list[TopicPartition]:
        """The partitions that these topics, by their name in Kafka, have at least, and those we read beyond them."""
        declared = [
            TopicPartition(name, n)
            for name, topic in topics.items()
            for n in range(topic.partitions)
        ]
        return declared + [
            tp for tp in self.next_offsets if tp.partition >= topics[tp.topic].partitions
        ]

    def uncommitted(self) -> dict[TopicPartition, int]:
        """The offsets that were not reported to Kafka yet; they count as reported from now on."""
        offsets, self._uncommitted = self._uncommitted, {}
        return offsets

    def is_unreadable(self, tp: TopicPartition, offset: int) -> bool:
        """Count that a batch at this offset could not be read; True when that happened too often."""
        before, times = self._unreadable.get(tp, (offset, 0))
        times = times + 1 if before == offset else 1
        self._unreadable[tp] = offset, times
        return times >= READS_MAX

    def halt(self, tp: TopicPartition, why: str) -> None:
        """A partition waits for a person from now on."""
        if tp not in self.halted:
            metrics.HALTED.inc()
        self.halted[tp] = why
        log.error("partition halted", partition=str(tp), error=why)

    def unhalt(self, tp: TopicPartition) -> None:
        """Nothing stops a partition any more."""
        self._unreadable.pop(tp, None)
        if self.halted.pop(tp, None):
            metrics.HALTED.dec()

    def behind(self, highwaters: Iterable[tuple[TopicPartition, int]]) -> dict[TopicPartition, int]:
        """How many records wait in each partition, by the ends that its fetcher or another client learnt."""
        return {
            tp: max(0, max(highwater, self.ends.get(tp, 0)) - self.next_offsets[tp])
            for tp, highwater in highwaters
        }

    def stuck(self, behind: dict[TopicPartition, int]) -> list[TopicPartition]:
        """Partitions in which records wait that did not move for `STUCK_AFTER_SECONDS`, and are not halted."""
        late = time.monotonic() - STUCK_AFTER_SECONDS
        return [
            tp
            for tp, waiting in behind.items()
            if waiting and self._moved[tp] < late and tp not in self.halted
        ]
