"""One slice through one transaction: fence, effects, facts, jobs, rejects and the new offset, together or not at all.

A slice that fails for what is in it is halved, each half in a transaction of its own, until the record is found that
cannot be acted on. It becomes a reject and the others are acted on: one bad record costs a few small transactions more
(twice the logarithm of the slice), a slice of nothing else two for each record.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from services.chassis import metrics, store
from services.chassis.clock import Clock
from services.chassis.database import Connection, Pool, is_infrastructure, is_lost
from services.chassis.engine.fence import FenceVerdict, judge
from services.chassis.engine.halts import LogTruncated
from services.chassis.engine.records import Careful, Routes, handle_records, reason_of
from services.chassis.engine.slices import Slice, SliceHandler, SliceUnit
from services.chassis.failpoints import reach
from services.chassis.store import Log

Take = Callable[[Slice, SliceUnit, bool], Awaitable[None]]


class Gap(Exception):
    """The slice begins above what we want next."""

    def __init__(self, next_offset: int, first: int) -> None:
        super().__init__(f"want {next_offset}, got {first}")
        self.next_offset, self.first = next_offset, first


class Rewound(Exception):
    """The slice begins below what we want next: a redelivery, unless the log is another one."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"want {next_offset}")
        self.next_offset = next_offset


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice, or a piece of one that failed. `until`: the next offset wanted after it."""

    piece: Slice
    until: int
    failed: bool = False
    """Whether these very records have failed before, or others together with them."""

    def halves(self) -> "list[_Part]":
        """Both halves; what is missing in the log between them belongs to the first."""
        records = self.piece.records
        middle = len(records) // 2
        first, second = (
            replace(self.piece, records=records[:middle]),
            replace(self.piece, records=records[middle:]),
        )
        return [_Part(first, records[middle].offset, True), _Part(second, self.until, True)]


class Partition:
    """What is done with slices, whichever partition they come from."""

    def __init__(
        self, pool: Pool, service: str, clock: Clock, process: Take, wait_seconds_max: float = 0
    ) -> None:  # fmt: skip
        self._wait_seconds_max = wait_seconds_max
        self._pool, self._service, self._clock, self._process = pool, service, clock, process

    async def start(self, log: Log, begin: int, end: int) -> int:
        """Where to read on. Records what retention has removed unread. Raises `LogTruncated`."""
        async with self._pool.acquire() as db, db.transaction():
            wanted = await store.lock_fence(db, log)
            if wanted > end:
                raise LogTruncated(log, wanted, end)
            if wanted < begin:
                await store.record_gap(db, log, wanted, begin - 1, "retention")
                await store.move_fence(db, log, begin)
                metrics.GAPS.labels(log.topic, "retention").inc(begin - wanted)
        return max(wanted, begin)

    async def next_offset(self, log: Log) -> int:
        """Where a log stands in the database, without locking it."""
        async with self._pool.acquire() as db:
            return await store.next_offset(db, log)

    async def record_hole(self, log: Log, next_offset: int, first: int) -> None:
        """Accept that `[next_offset, first)` is not in the log, neither removed by retention nor ever written."""
        async with self._pool.acquire() as db, db.transaction():
            if await store.lock_fence(db, log) != next_offset:
                return
            await store.record_gap(db, log, next_offset, first - 1, "hole")
            await store.move_fence(db, log, first)
            metrics.GAPS.labels(log.topic, "hole").inc(first - next_offset)

    async def carry(self, piece: Slice, progress: Callable[[int], None] = lambda _: None) -> int:
        """Act on a slice and return the next offset wanted; `progress` is called with each one that is committed.

        Raises `Gap`, `Rewound`, and what `is_infrastructure` knows: trying again later may help.
        """
        after = piece.records[-1].offset + 1
        waiting = [_Part(piece, after)]
        while waiting:
            part = waiting.pop()
            try:
                await self._settle(part)
            except (Gap, Rewound):
                raise
            except Exception as error:
                if is_infrastructure(error):
                    raise
                metrics.HALVED.labels(piece.topic.name).inc()
                if len(part.piece.records) > 1:
                    waiting += reversed(part.halves())
                elif not part.failed:
                    waiting.append(replace(part, failed=True))
                else:
                    await self._refuse(part, error)
                    progress(part.until)
            else:
                progress(part.until)
        return after

    async def _settle(self, part: _Part) -> None:
        with metrics.SLICE_SECONDS.labels(part.piece.topic.name).time():
            try:
                unit = await self._transact(part, self._careless)
            except Careful:
                unit = await self._transact(part, self._careful)
        reach("engine.after_commit")
        _count(part.piece, unit)

    async def _refuse(self, part: _Part, error: Exception) -> None:
        """Keep a record that cannot be acted on even when it is alone."""

        async def reject(piece: Slice, unit: SliceUnit) -> None:
            unit.reject(piece.records[0], *reason_of(error))

        _count(part.piece, await self._transact(part, reject))

    async def _careless(self, piece: Slice, unit: SliceUnit) -> None:
        await self._process(piece, unit, False)

    async def _careful(self, piece: Slice, unit: SliceUnit) -> None:
        await self._process(piece, unit, True)

    async def _transact(self, part: _Part, act: SliceHandler) -> SliceUnit:
        async with self._pool.acquire() as db:
            try:
                async with db.transaction():
                    return await self._fenced(db, part, act)
            except Exception as error:
                if not is_infrastructure(error) and is_lost(db):
                    raise ConnectionError("the connection to the database was lost") from error
                raise

    async def _fenced(self, db: Connection, part: _Part, act: SliceHandler) -> SliceUnit:
        piece = part.piece
        first, last = piece.records[0].offset, piece.records[-1].offset
        wanted = await store.lock_fence(db, piece.log)
        reach("engine.fenced")
        verdict = judge(wanted, first, last)
        if verdict is FenceVerdict.GAP:
            raise Gap(wanted, first)
        if verdict is not FenceVerdict.TAKE:
            raise Rewound(wanted)
        await self._note_holes(db, part)
        unit = SliceUnit(db, self._service, self._clock.now(), piece, self._wait_seconds_max)
        await act(piece, unit)
        reach("engine.handled")
        await unit.flush()
        await store.move_fence(db, piece.log, part.until)
        reach("engine.before_commit")
        return unit

    @staticmethod
    async def _note_holes(db: Connection, part: _Part) -> None:
        """Holes inside a fetched slice are real (they were read in one go): record them."""
        piece = part.piece
        offsets = [*(record.offset for record in piece.records), part.until]
        if offsets[-1] - offsets[0] + 1 == len(offsets):
            return
        for before, after in pairwise(offsets):
            if after > before + 1:
                await store.record_gap(db, piece.log, before + 1, after - 1, "hole")
                metrics.GAPS.labels(piece.log.topic, "hole").inc(after - before - 1)


def _count(piece: Slice, unit: SliceUnit) -> None:
    topic = piece.topic.name
    metrics.RECORDS.labels(topic, "rejected").inc(len(unit.rejected))
    metrics.RECORDS.labels(topic, "taken").inc(len(piece.records) - len(unit.rejected))
    for reason, n in Counter(reject.reason for reject in unit.rejected).items():
        metrics.REJECTS.labels(topic, reason).inc(n)


def by_record(table: Routes) -> Take:
    """Slices taken event by event."""

    async def process(piece: Slice, unit: SliceUnit, careful: bool) -> None:
        await handle_records(piece, unit, table, careful=careful)

    return process


def by_slice(handlers: dict[str, SliceHandler]) -> Take:
    """Slices taken whole, by the handler of their topic."""

    async def process(piece: Slice, unit: SliceUnit, careful: bool) -> None:
        await handlers[piece.topic.name](piece, unit)

    return process
