"""The days that raw events are kept by: a partition for each, made when it is first needed, dropped when it is too old."""

from datetime import date, timedelta

from services.billing.metering.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect

_PREFIX = "usage_block_"


class RawDays:
    """Knows which partitions are there. What this transaction makes is not remembered: it may yet fail."""

    def __init__(self) -> None:
        self._there: set[date] = set()

    async def ensure(self, db: Connection, day: date) -> None:
        """Make the partition of a day if there is none."""
        if day in self._there:
            return
        name = f"{_PREFIX}{day:%Y%m%d}"
        if await db.fetchval("select to_regclass($1)", name) is not None:
            self._there.add(day)
            return
        await db.execute("select pg_advisory_xact_lock(hashtext('vicino usage days'))")
        if await db.fetchval("select to_regclass($1)", name) is None:
            # Attached, not made in place: that would wait for whoever reads the table, a long check for one.
            await db.execute(
                f"create table {name} (like usage_block including defaults including storage)"
            )
            await db.execute(
                f"alter table usage_block attach partition {name} "
                f"for values from ('{day}') to ('{day + timedelta(days=1)}')"
            )


async def drop_before(db: Connection, day: date) -> list[str]:
    """Drop the partitions of all days before this one; returns their names."""
    names = [row["name"] for row in await collect(sql.block_days(db))]
    old = [name for name in names if name < f"{_PREFIX}{day:%Y%m%d}"]
    for name in old:
        await db.execute(f"drop table {name}")
    if old:
        await sql.raw_dropped(db, day=day)
    return old
