"""What PostgreSQL counted of deadlocks: each costs both sides a second before one of them is rolled back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

QUIET_SECONDS = 20.0

_OTHERS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
_COUNT = "select deadlocks from pg_stat_database where datname = current_database()"


async def deadlocks(database: str) -> int:
    """Deadlocks of a database so far. Waits until nobody else is connected: a backend that ends has told all it counted."""
    db = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            while await db.fetchval(_OTHERS):
                await asyncio.sleep(0.05)
        return int(await db.fetchval(_COUNT))
    finally:
        await db.close()


_BLOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@asynccontextmanager
async def meeting(database: str, lock: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Rows held by `lock`, so that whoever needs them meets there; they go on together at the end.

    Gives a function that waits until so many stand there.
    """
    held, watching = await asyncpg.connect(database), await asyncpg.connect(database)

    async def stand(count: int) -> None:
        seen = 0
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                while (seen := await watching.fetchval(_BLOCKED)) < count:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{seen} stand at the lock, expected {count}") from None

    try:
        async with held.transaction():
            await held.execute(lock)
            yield stand
    finally:
        await asyncio.gather(held.close(), watching.close())
