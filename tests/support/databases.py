"""Databases that live as long as a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from services.local.roles import ensure_database


@asynccontextmanager
async def fresh_database(superuser_url: str) -> AsyncIterator[str]:
    """The superuser's URL of a database that is dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    await ensure_database(superuser_url, name)
    yield superuser_url.rsplit("/", 1)[0] + f"/{name}"
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()
