"""The consumer: a FastStream batch subscriber with the raw bypass, whose progress lives in the database.

Kafka's own commit and every acknowledgement policy are out of play: positions are sought from the database at start
and after each rebalance, and compared again inside the transaction, because a seek is no barrier and a zombie goes on.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError
from faststream.kafka import KafkaBroker

from services.chassis import kafka_clients, metrics
from services.chassis.backoff import Backoff
from services.chassis.engine import batches, progress
from services.chassis.engine.batches import Record
from services.chassis.engine.client import Client, Subscription, subscribe
from services.chassis.engine.halts import LogTruncated, UnreadableBatch
from services.chassis.engine.lag import LagGauge
from services.chassis.engine.logbook import Logbook, TopicMissing
from services.chassis.engine.partition import Gap, Partition, Rewound
from services.chassis.engine.partition_queue import PartitionQueue
from services.chassis.engine.patience import Patience
from services.chassis.engine.progress import Progress
from services.chassis.engine.slices import Slice
from services.chassis.failpoints import reach
from services.chassis.logs import logger
from services.chassis.store import Log

POSITION_TIMEOUT_SECONDS = 30.0
COMMIT_EVERY_SECONDS = 1.0
WATCH_EVERY_SECONDS = 5.0
RETRY = Backoff(first_seconds=0.1, max_seconds=5.0)

log = logger(__name__)


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """Takes the partitions that Kafka assigns to this process, each slice in one transaction."""

    def __init__(
        self, reading: Subscription, broker: KafkaBroker, logbook: Logbook, partition: Partition
    ) -> None:
        self._reading = reading
        self._logbook = logbook
        self._partition = partition
        self._topics = {reading.prefix + topic.name: topic for topic in reading.topics}
        self._progress = Progress()
        self._lag = LagGauge(self._topics, self._progress, self._done)
        self._positioning: dict[TopicPartition, asyncio.Task[None]] = {}
        self._queues: dict[TopicPartition, PartitionQueue[Slice]] = {}
        self._heard = time.monotonic()
        self._patience = Patience()
        self._missing = ""
        self._stopping = False
        kafka_clients.install()
        batches.install()
        batches.listen(self._cannot_read)
        self._client = Client(
            reading.group, subscribe(broker, reading, list(self._topics), self, self._process_batch)
        )

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        consumer = self._client.consumer
        if consumer is None:
            raise IllegalStateError("the consumer is not started")
        return consumer

    # -- assignment ------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget what was ours; whoever comes next reads the database."""
        # Both callbacks are coroutines that never wait: FastStream would call plain functions in another thread.
        self._forget(revoked)

    def _forget(self, revoked: Iterable[TopicPartition]) -> None:
        for tp in revoked:
            self._progress.forget(tp)
            if queue := self._queues.get(tp):
                queue.clear()
            if task := self._positioning.pop(tp, None):
                task.cancel()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Hold the partitions still, first of all and without awaiting, then seek where the database says."""
        self._consumer.pause(*assigned)
        for tp in assigned:
            self._reposition(tp)

    def _reposition(self, tp: TopicPartition) -> None:
        if running := self._positioning.get(tp):
            running.cancel()
        self._positioning[tp] = asyncio.create_task(
            self._position_until_done(tp), name=f"position {tp}"
        )

    async def _position_until_done(self, tp: TopicPartition) -> None:
        failures = 0
        while self._owns(tp):
            try:
                async with asyncio.timeout(POSITION_TIMEOUT_SECONDS):
                    await self._position(tp)
                return
            except LogTruncated as error:
                self._halt(tp, error)
                return
            except Exception as error:  # noqa: BLE001 - whatever stands in the way, the partition waits and tries again
                failures += 1
                log.warning("cannot position a partition yet", partition=str(tp), error=repr(error))
                await asyncio.sleep(RETRY.seconds(failures))

    async def _position(self, tp: TopicPartition) -> None:
        """Seek to the database's offset. Raises `LogTruncated` when the log ends before it."""
        await self._logbook.refresh([tp.topic])
        entry = self._progress.logs[tp] = self._log(tp)
        begin = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        position = await self._partition.start(entry, begin, end)
        if not self._owns(tp):
            return
        self._consumer.seek(tp, position)
        self._progress.position(tp, position)
        self._consumer.resume(tp)

    def _read_anew(self, tp: TopicPartition) -> None:
        self._consumer.pause(tp)
        self._reposition(tp)

    def _cannot_read(self, tp: TopicPartition, offset: int, error: Exception) -> None:
        """A batch came that cannot be read: it is fetched again, but not for ever."""
        if (
            self._owns(tp)
            and tp not in self._progress.halted
            and self._progress.is_unreadable(tp, offset)
        ):
            self._halt(tp, UnreadableBatch(self._log(tp), offset, error))

    def _halt(self, tp: TopicPartition, error: LogTruncated | UnreadableBatch) -> None:
        """Stop a partition for good: going on would skip or double in silence. A person must decide."""
        self._consumer.pause(tp)
        self._progress.halt(tp, str(error))

    def _owns(self, tp: TopicPartition) -> bool:
        return (
            not self._stopping
            and self._client.consumer is not None
            and tp in self._consumer.assignment()
        )

    def _log(self, tp: TopicPartition) -> Log:
        return Log(self._topics[tp.topic].name, tp.partition, self._logbook.known(tp.topic))

    # -- records ---------------------------------------------------------------------------------------------------

    async def _process_batch(self, records: tuple[Record, ...]) -> None:
        """Bring each partition's records to its queue, under the log id of now: a re-created topic has another one."""
        reach("engine.fetched")
        if self._stopping:
            return
        slices = [
            (tp := TopicPartition(*place), Slice(self._topics[tp.topic], self._log(tp), list(run)))
            for place, run in groupby(records, attrgetter("topic", "partition"))
        ]
        await asyncio.gather(*(self._queue_of(tp).put(piece) for tp, piece in slices))

    def _queue_of(self, tp: TopicPartition) -> PartitionQueue[Slice]:
        if tp not in self._queues:
            self._queues[tp] = PartitionQueue(str(tp), partial(self._process, tp))
        return self._queues[tp]

    async def _process(self, tp: TopicPartition, piece: Slice) -> bool:
        """Carry one slice until it is committed, is not ours, or the service stops. False: the partition is read again."""
        failures = 0
        while piece.records and self._owns(tp):
            try:
                rest = await self._carry(tp, piece)
                if rest is None:
                    return False
                piece = replace(piece, records=rest)
            except Exception as error:  # noqa: BLE001 - never skip: a slice is tried until it works or its partition is revoked
                failures += 1
                metrics.SLICE_RETRIES.labels(piece.topic.name, type(error).__name__).inc()
                log.warning(
                    "slice will be tried again",
                    partition=str(tp),
                    failures=failures,
                    error=repr(error),
                )
                await asyncio.sleep(RETRY.seconds(failures))
        return not piece.records

    async def _carry(self, tp: TopicPartition, piece: Slice) -> Sequence[Record] | None:
        """Carry a slice; returns what is still to be carried, None when the partition must be read from elsewhere."""
        try:
            await self._partition.carry(piece, partial(self._advance, tp, piece.log))
        except Rewound as error:
            if not await self._is_redelivery(tp, piece.log, error.next_offset):
                return None
            self._advance(tp, piece.log, error.next_offset)
            return [record for record in piece.records if record.offset >= error.next_offset]
        except Gap as gap:
            return piece.records if await self._close_gap(tp, piece.log, gap) else None
        return []

    async def _is_redelivery(self, tp: TopicPartition, known: Log, next_offset: int) -> bool:
        """Whether records from below our offset are of the log we know; else the partition is read again, or halted."""
        await self._logbook.refresh([tp.topic])
        if self._log(tp) != known:
            self._read_anew(tp)
            return False
        end = (await self._consumer.end_offsets([tp]))[tp]
        if end < next_offset:
            self._halt(tp, LogTruncated(known, next_offset, end))
            return False
        return True

    async def _close_gap(self, tp: TopicPartition, known: Log, gap: Gap) -> bool:
        """Whether there is nothing below records from above our offset; else the partition is read again."""
        await self._logbook.refresh([tp.topic])
        if (
            self._log(tp) == known
            and await self._logbook.next_offset(tp, gap.next_offset) == gap.first
        ):
            await self._partition.record_hole(known, gap.next_offset, gap.first)
            return True
        self._read_anew(tp)
        return False

    def _advance(self, tp: TopicPartition, known: Log, next_offset: int) -> None:
        if self._progress.advance(tp, known, next_offset):
            self._patience.restore()

    # -- beside the records ----------------------------------------------------------------------------------------

    async def attend(self) -> None:
        """Run until cancelled: start the client, report progress to Kafka, notice re-created topics, replace a dead client."""
        await self._client.start(lambda: self._stopping)
        watched = 0.0
        while True:
            await asyncio.sleep(COMMIT_EVERY_SECONDS)
            await self._commit()
            await self._replace_dead_client()
            if time.monotonic() - watched > WATCH_EVERY_SECONDS:
                watched = time.monotonic()
                await self._watch_topics()
            await self._lag.measure(self._behind())

    async def _replace_dead_client(self) -> None:
        """Start another client when a task of ours has ended, or when records wait and none comes."""
        if self._stopping:
            return
        why = self._client.fault() or self._gets_nothing()
        if why:
            self._forget(list(self._progress.next_offsets))
            await self._client.replace(why, lambda: self._stopping)

    def _gets_nothing(self) -> str:
        """Why the client seems dead though its tasks live; empty when it does not."""
        stuck = [tp for tp in self._stuck() if tp not in self._queues or self._queues[tp].is_idle]
        if not stuck or not self._patience.is_over():
            return ""
        return (
            f"no record came for {progress.STUCK_AFTER_SECONDS:.0f} s: {', '.join(map(str, stuck))}"
        )

    async def _commit(self) -> None:
        """Best effort, for lag tools. The success of a commit proves nothing, so its failure is only counted."""
        offsets = {tp: n for tp, n in self._progress.uncommitted().items() if self._owns(tp)}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
            reach("engine.acknowledged")
        except Exception as error:  # noqa: BLE001 - best effort: the database's offset is the truth
            metrics.COMMIT_FAILURES.inc()
            log.debug("kafka commit failed", error=repr(error))

    async def _watch_topics(self) -> None:
        try:
            await self._logbook.refresh(self._topics)
            self._missing = ""
            self._progress.ends = await self._logbook.ends(self._progress.partitions(self._topics))
        except TopicMissing as error:
            self._missing = str(error)
            log.error("a topic is missing", error=self._missing)
        except (TimeoutError, OSError) as error:
            log.warning("cannot ask for topic ids", error=repr(error))
            return
        self._heard = time.monotonic()
        for tp, known in list(self._progress.logs.items()):
            if known != self._log(tp) and self._owns(tp):
                log.warning("a topic was re-created", topic=tp.topic)
                self._read_anew(tp)

    async def _done(self, tp: TopicPartition) -> int:
        return await self._partition.next_offset(self._log(tp))

    def _behind(self) -> dict[TopicPartition, int]:
        ours = [tp for tp in self._progress.next_offsets if self._owns(tp)]
        return self._progress.behind((tp, self._consumer.highwater(tp) or 0) for tp in ours)

    def _stuck(self) -> list[TopicPartition]:
        return self._progress.stuck(self._behind())

    def problems(self) -> list[str]:
        """Why this consumer is not at work; empty when it is."""
        if self._client.consumer is None or not self._consumer.assignment():
            return [
                f"{self._reading.group}: no partition is assigned",
                *filter(None, [self._missing]),
            ]
        found = [self._missing] if self._missing else []
        if (silent := time.monotonic() - self._heard) > progress.STUCK_AFTER_SECONDS:
            found.append(f"{self._reading.group}: no answer from Kafka for {silent:.0f} s")
        found += [f"{tp.topic}/{tp.partition}: {why}" for tp, why in self._progress.halted.items()]
        unpositioned = self._consumer.assignment() - self._progress.next_offsets.keys()
        found += [f"{tp.topic}/{tp.partition}: not positioned yet" for tp in unpositioned]
        if self._client.fault():
            found.append(f"{self._reading.group}: its client is dead")
        return found + [
            f"{tp.topic}/{tp.partition}: no progress for {progress.STUCK_AFTER_SECONDS:.0f} s"
            for tp in self._stuck()
        ]

    def lag(self) -> int:
        """Records known to be in Kafka and not taken yet."""
        return sum(self._behind().values())

    async def stop_taking(self) -> None:
        """Begin no other slice, and let those in flight end."""
        self._stopping = True
        await asyncio.gather(*(queue.finish() for queue in self._queues.values()))

    async def leave(self) -> None:
        """End the client. It may be dead: whatever it raises must not stand in the way of a stop."""
        await self._client.stop()

    def close(self) -> None:
        """End now, whatever is in flight: its transaction is rolled back."""
        batches.forget(self._cannot_read)
        for queue in self._queues.values():
            queue.close()
