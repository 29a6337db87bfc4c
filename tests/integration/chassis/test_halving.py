"""A slice that fails for what is in it: the bad record is found and kept, its neighbours act once, the log moves on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS, USAGE
from services.chassis import store
from services.chassis.clock import ManualClock
from services.chassis.database import Pool, open_pool
from services.chassis.engine.batches import Record
from services.chassis.engine.partition import Partition, by_record, by_slice
from services.chassis.engine.records import on, routes
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.migrate import migrate
from services.chassis.store import Log
from services.chassis.unit import Unit
from services.local.roles import ensure_service, role_of
from tests.integration.chassis.test_engine_smoke import MIGRATIONS, heartbeat
from tests.support.databases import PASSWORD

NOW = datetime(2026, 11, 1, tzinfo=UTC)
N = 9
BAD = b"bad"

Fault = Callable[[SliceUnit, Record], Awaitable[object]]


def _raises(error: Exception) -> Fault:
    async def fail(unit: SliceUnit, record: Record) -> None:
        raise error

    return fail


def _sql(statement: str, *args: object) -> Fault:
    async def fail(unit: SliceUnit, record: Record) -> None:
        await unit.db.execute(statement, *args)

    return fail


async def _says_too_much(unit: SliceUnit, record: Record) -> None:
    """Only the flush finds that this cannot be written."""
    unit.publish(HeartbeatReceived(service_id=str(uuid4())), subject="a\x00b")


async def _unreadable_json(unit: SliceUnit, record: Record) -> None:
    [][record.offset]


FAULTS: dict[str, Fault] = {
    "python: ValueError": _raises(ValueError("planted")),
    "python: KeyError": _raises(KeyError("planted")),
    "python: RecursionError": _raises(RecursionError()),
    "python: OverflowError": _raises(OverflowError("planted")),
    "python: AssertionError": _raises(AssertionError()),
    "python: UnicodeEncodeError": _raises(
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    ),
    "python: IndexError": _unreadable_json,
    "asyncpg: a number no column takes": _sql("insert into effect (id, n) values ('x', $1)", 2**40),
    "asyncpg: a text with a surrogate": _sql("insert into effect (id) values ($1)", "\ud800"),
    "21: a row twice": _sql(
        "insert into effect (id) values ('x'), ('x') on conflict (id) do update set n = excluded.n"
    ),
    "22: NUL": _sql("insert into effect (id) values ($1)", "a\x00b"),
    "22: division by zero": _sql("select 1 / 0"),
    "23: not null": _sql("insert into effect (id) values (null)"),
    "23: unique": _sql("insert into effect (id) values ('x'), ('x')"),
    "54: no index takes it": _sql(
        "insert into effect (id) select string_agg(md5(random()::text), '') from generate_series(1, 500)"
    ),
    "P0: raised by a function": _sql("do $$ begin raise exception 'planted'; end $$"),
    "at the flush": _says_too_much,
}


@dataclass
class World:
    """A database with the chassis' tables, and a log."""

    pool: Pool
    log: Log

    def partition(self, fault: Fault) -> Partition:
        """Acts on a record by a row of its own; fails for a bad one."""

        async def act(piece: Slice, unit: SliceUnit) -> None:
            for record in piece.records:
                await unit.db.execute("insert into effect (id) values ($1)", str(record.offset))
                if record.value == BAD:
                    await fault(unit, record)

        return Partition(self.pool, "monitoring", ManualClock(NOW), by_slice({USAGE.name: act}))

    async def effects(self) -> list[int]:
        return sorted(int(row["id"]) for row in await self.pool.fetch("select id from effect"))

    async def rejects(self) -> list[int]:
        return [
            row["offset"] for row in await self.pool.fetch('select "offset" from reject order by 1')
        ]

    async def fence(self) -> int:
        async with self.pool.acquire() as db:
            return await store.next_offset(db, self.log)


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    await ensure_service(database, database.rsplit("/", 1)[1], "monitoring", PASSWORD)
    url = f"postgresql://{role_of('monitoring')}:{PASSWORD}@{database.split('@', 1)[1]}"
    await migrate(url, "monitoring", MIGRATIONS)
    pool = await open_pool(url, "monitoring", 3, "test")
    yield World(pool, Log(USAGE.name, 0, "log"))
    await pool.close()


def slice_of(
    log: Log, bad: set[int], first: int = 0, missing: frozenset[int] = frozenset()
) -> Slice:
    """`N` records, but for those that are missing in the log."""
    offsets = [n for n in range(first, first + N) if n not in missing]
    values = {n: BAD if n in bad else b"good" for n in offsets}
    return Slice(USAGE, log, [Record(USAGE.name, 0, n, 0, b"key", values[n], ()) for n in offsets])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_bad_record_is_kept_wherever_it_stands_and_its_neighbours_act_once(
    world: World, fault: Fault
) -> None:
    partition = world.partition(fault)
    for position in range(N):
        assert (
            await partition.carry(slice_of(world.log, {position * N + position}, position * N))
            == position * N + N
        )
    bad = [n * N + n for n in range(N)]
    assert await world.rejects() == bad
    assert await world.effects() == [n for n in range(N * N) if n not in bad]
    assert await world.fence() == N * N


@pytest.mark.parametrize(
    "bad",
    [set(range(N)), {0, 1}, {0, N - 1}, {3, 4, 5}, set(range(N)) - {4}],
    ids=lambda bad: f"bad at {sorted(bad)}",
)
async def test_several_bad_records_are_all_kept(world: World, bad: set[int]) -> None:
    seen: list[int] = []
    assert (
        await world.partition(FAULTS["22: NUL"]).carry(slice_of(world.log, bad), seen.append) == N
    )
    assert (set(await world.rejects()), set(await world.effects())) == (bad, set(range(N)) - bad)
    assert seen == sorted(seen)
    assert seen[-1] == N == await world.fence()


async def test_a_slice_of_one_bad_record_is_kept(world: World) -> None:
    only = replace(slice_of(world.log, {0}), records=slice_of(world.log, {0}).records[:1])
    assert await world.partition(FAULTS["22: NUL"]).carry(only) == 1
    assert (await world.rejects(), await world.effects(), await world.fence()) == ([0], [], 1)


async def test_what_failed_once_for_no_lasting_reason_is_not_kept(world: World) -> None:
    failures = iter([True])

    async def once(unit: SliceUnit, record: Record) -> None:
        if next(failures, False):
            raise ValueError("planted")

    for first in (0, N):
        assert await world.partition(once).carry(slice_of(world.log, {first}, first)) == first + N
    only = replace(
        slice_of(world.log, {2 * N}, 2 * N), records=slice_of(world.log, {2 * N}, 2 * N).records[:1]
    )
    failures = iter([True])
    assert await world.partition(once).carry(only) == 2 * N + 1
    assert (await world.rejects(), len(await world.effects())) == ([], 2 * N + 1)


@pytest.mark.parametrize("missing", range(1, N - 1))
async def test_what_is_missing_in_the_log_is_noted_once_wherever_the_slice_is_cut(
    world: World, missing: int
) -> None:
    piece = slice_of(world.log, {0, N - 1}, missing=frozenset({missing}))
    assert await world.partition(FAULTS["22: NUL"]).carry(piece) == N
    gaps = await world.pool.fetch("select from_offset, to_offset from ingest_gap")
    assert [tuple(row) for row in gaps] == [(missing, missing)]
    assert await world.effects() == [n for n in range(1, N - 1) if n != missing]


@pytest.mark.parametrize(
    "error",
    [OSError(), TimeoutError(), MemoryError(), asyncpg.DeadlockDetectedError(), asyncpg.InsufficientPrivilegeError(),
     asyncpg.InternalClientError(), asyncpg.InterfaceError("planted")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_what_is_the_machines_fault_rejects_nothing(world: World, error: Exception) -> None:
    with pytest.raises(type(error)):
        await world.partition(_raises(error)).carry(slice_of(world.log, {4}))
    assert (await world.rejects(), await world.effects(), await world.fence()) == ([], [], 0)


async def test_a_connection_that_breaks_rejects_nothing_whatever_error_it_breaks_with(
    world: World,
) -> None:
    async def breaks(unit: SliceUnit, record: Record) -> None:
        unit.db.terminate()
        raise RuntimeError("unable to perform operation: the handler is closed")

    with pytest.raises((ConnectionError, asyncpg.InterfaceError)):
        await world.partition(breaks).carry(slice_of(world.log, {4}))
    assert (await world.rejects(), await world.effects(), await world.fence()) == ([], [], 0)


async def test_a_bad_record_costs_a_few_transactions_more_and_no_more(world: World) -> None:
    begun = 0

    async def take(piece: Slice, unit: SliceUnit, careful: bool) -> None:
        nonlocal begun
        begun += 1
        if any(record.offset == 1234 for record in piece.records):
            raise ValueError("planted")

    records = [Record(USAGE.name, 0, n, 0, None, b"", ()) for n in range(8000)]
    partition = Partition(world.pool, "monitoring", ManualClock(NOW), take)
    assert await partition.carry(Slice(USAGE, world.log, records)) == 8000
    assert begun <= 2 * 13 + 1
    assert await world.rejects() == [1234]


@pytest.mark.parametrize("position", range(5))
async def test_a_record_whose_reading_fails_halts_no_record_handler(
    world: World, position: int
) -> None:
    """The inbox refuses it, before any handler has seen it."""

    async def act(event: object, unit: Unit) -> None:
        await unit.db.execute("insert into effect (id) values ($1)", event.id)  # type: ignore[attr-defined]

    await world.pool.execute(
        "create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"
    )
    events = [heartbeat(n) for n in range(5)]
    log = Log(SIGNALS.name, 0, "log")
    partition = Partition(
        world.pool, "monitoring", ManualClock(NOW), by_record(routes(on(HeartbeatReceived, act)))
    )
    records = [
        Record(SIGNALS.name, 0, n, 0, None, event.encode(), ()) for n, event in enumerate(events)
    ]
    keys = await _inbox_keys(world, records)
    await world.pool.execute(
        f"create trigger planted before insert on inbox for each row when (new.event_key = '{keys[position]}') "
        "execute function planted()"
    )
    assert await partition.carry(Slice(SIGNALS, log, records)) == 5
    assert await world.rejects() == [position]
    effects = await world.pool.fetch("select id from effect order by id")
    assert [row["id"] for row in effects] == [f"beat-{n}" for n in range(5) if n != position]


async def _inbox_keys(world: World, records: list[Record]) -> list[str]:
    """What the inbox knows records by: asked of an inbox that is emptied again."""
    found = []
    for record in records:
        log = Log(SIGNALS.name, 1, "other")
        take = by_record(routes(on(HeartbeatReceived, _nothing)))
        await Partition(world.pool, "monitoring", ManualClock(NOW), take).carry(
            Slice(SIGNALS, log, [Record(SIGNALS.name, 1, record.offset, 0, None, record.value, ())])
        )
        found.append(str(await world.pool.fetchval("delete from inbox returning event_key")))
    return found


async def _nothing(event: object, unit: Unit) -> None:
    """Do nothing."""
