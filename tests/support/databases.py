"""Databases that live as long as a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from services.local.roles import ensure_database

PASSWORD = "only-for-tests"
"""Of every service's role. Roles belong to the server, which the tests share: another password would shut others out."""


@asynccontextmanager
async def fresh_database(superuser_url: str) -> AsyncIterator[str]:
    """The superuser's URL of a database that is dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    await ensure_database(superuser_url, name)
    yield superuser_url.rsplit("/", 1)[0] + f"/{name}"
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


@asynccontextmanager
async def refusing(
    superuser_url: str, database_url: str, *, cut: bool = True
) -> AsyncIterator[None]:
    """One database takes no new connection; unless `cut` is false, those that are there end.

    Other tests share the server and its roles: nothing but this database may change.
    """
    name = urlsplit(database_url).path.removeprefix("/")
    admin = await asyncpg.connect(superuser_url)
    try:
        await admin.execute(f'alter database "{name}" connection limit 0')
        if cut:
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
            )
        yield
    finally:
        await admin.execute(f'alter database "{name}" connection limit -1')
        await admin.close()
