"""Keys: what makes an event count once. A table of 16-byte keys with a hash of what each event said, nothing else.

Keys age out by generation: a table is written for as long as the window lasts, then kept for as long again, then dropped.
So an event is known for at least one window and at most two, whatever its own time is. The primary key is the last word:
also where several partitions carry one tenant, two of them cannot count the same event.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from services.billing.metering.arrivals import Arrival, mark_before
from services.chassis.database import Connection

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_LOCK = "hashtext('vicino usage keys')"


@dataclass(frozen=True, slots=True)
class Generations:
    """Where new keys go, and where else known ones may be."""

    current: int
    previous: int | None
    before_principals: tuple[int, ...] = ()
    """Those that may hold keys of (tenant, source, id), from before principals were part of keys."""


async def generations(db: Connection, now: datetime, window: timedelta) -> Generations:
    """The generations in force, a new one begun if it is time; they stay so until the transaction ends."""
    newest = await db.fetchval("select started_at from key_generation order by no desc limit 1")
    if newest is None or now - newest >= window:
        await _rotate(db, now, window)
    await db.execute(f"select pg_advisory_xact_lock_shared({_LOCK})")
    found = await db.fetch("select no, with_principal from key_generation order by no desc limit 2")
    before = tuple(row["no"] for row in found if not row["with_principal"])
    return Generations(found[0]["no"], found[1]["no"] if len(found) > 1 else None, before)


async def _rotate(db: Connection, now: datetime, window: timedelta) -> None:
    """Begin a generation, and drop those that have aged out, unless another process has just done so."""
    await db.execute(f"select pg_advisory_xact_lock({_LOCK})")
    newest = await db.fetchrow("select no, started_at from key_generation order by no desc limit 1")
    if newest is not None and now - newest["started_at"] < window:
        return
    no = 1 if newest is None else newest["no"] + 1
    await db.execute(
        f"create table usage_key_{no:d} (event_key uuid primary key, payload_hash bigint not null)"
    )
    await db.execute(
        "insert into key_generation (no, started_at, with_principal) values ($1, $2, true)", no, now
    )
    for row in await db.fetch("delete from key_generation where no < $1 returning no", no - 1):
        await db.execute(f"drop table usage_key_{row['no']:d}")


# `offset 0` keeps the planner from joining by a hash of the whole table: each key is looked up in the index.
_KNOWN = """
select array_agg(n) filter (where int8send(payload_hash) = said) as again,
       array_agg(n) filter (where int8send(payload_hash) <> said) as reused
from (select encode(substr(mark, 7, 16), 'hex')::uuid as key, substr(mark, 27) as said, n - 1 as n
      from unnest($1::bytea[]) with ordinality as given (mark, n)) as looked_for
cross join lateral (select payload_hash from usage_key_{no:d} where event_key = key offset 0) as counted
"""


@dataclass(slots=True)
class SeenKeys:
    """Which arrivals came before: places in the list that was asked about."""

    again: set[int] = field(default_factory=set)
    """The same."""
    reused: set[int] = field(default_factory=set)
    """Their id, with other content."""

    def __bool__(self) -> bool:
        return bool(self.again or self.reused)

    def others(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Those that did not."""
        places = self.again | self.reused
        return (
            [arrival for n, arrival in enumerate(arrivals) if n not in places]
            if places
            else arrivals
        )


async def known(db: Connection, where: Generations, arrivals: Sequence[Arrival]) -> SeenKeys:
    """Which of these were counted before."""
    numbers = [no for no in (where.previous, where.current) if no is not None]
    return await _found(db, numbers, [arrival.mark for arrival in arrivals])


async def known_before_principals(
    db: Connection, where: Generations, arrivals: Sequence[Arrival]
) -> SeenKeys:
    """Which of these were counted under a key without a principal, whoever sent them then."""
    if not where.before_principals:
        return SeenKeys()
    return await _found(db, where.before_principals, [mark_before(arrival) for arrival in arrivals])


async def _found(db: Connection, numbers: Sequence[int], marks: Sequence[bytes]) -> SeenKeys:
    found = SeenKeys()
    for no in numbers:
        row = await db.fetchrow(_KNOWN.format(no=no), marks)
        if row is not None:
            found.again.update(row["again"] or ())
            found.reused.update(row["reused"] or ())
    return found


def as_bigint(payload_hash: bytes) -> int:
    """A hash as PostgreSQL keeps it."""
    return int.from_bytes(payload_hash, "big", signed=True)


class Keys:
    """Takes keys, fastest where all are new or all known. It remembers from slice to slice which is to be expected."""

    def __init__(self) -> None:
        self.expect_known = False

    async def look(
        self, db: Connection, where: Generations, arrivals: Sequence[Arrival]
    ) -> SeenKeys | None:
        """Which of these came before, if a look is likely to find some or nothing else would; `claim` is authoritative.

        None: it was not looked, so each of them may have come before.
        """
        if not arrivals or not (self.expect_known or where.previous):
            return None
        seen = await known(db, where, arrivals)
        self.expect_known = bool(seen)
        return seen

    async def claim(
        self, db: Connection, where: Generations, arrivals: Sequence[Arrival]
    ) -> SeenKeys:
        """Take the keys of arrivals, all different; returns which of them are known, and were not to `look`."""
        seen, fresh = SeenKeys(), arrivals
        while not await _put(db, where.current, fresh):
            self.expect_known = True
            seen = await known(db, where, arrivals)
            fresh = seen.others(arrivals)
        return seen


async def _put(db: Connection, no: int, arrivals: Sequence[Arrival]) -> bool:
    """Write keys; false, and nothing written, when one of them is there already."""
    if not arrivals:
        return True
    try:
        async with db.transaction():
            await db.copy_to_table(f"usage_key_{no:d}", source=_rows(arrivals), format="binary")
    except asyncpg.UniqueViolationError:
        return False
    return True


async def _rows(arrivals: Sequence[Arrival]) -> AsyncIterator[bytes]:
    """COPY's binary format, in order of key: neighbours in the index are written together."""
    yield b"".join([_HEADER, *sorted([arrival.mark for arrival in arrivals]), _TRAILER])
