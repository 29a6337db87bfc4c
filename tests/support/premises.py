"""A database and topics for several tests: what the fixtures `database` and `topic_prefix` are for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from schemas.topics import BY_NAME
from services.chassis.admin import remove_topics
from tests.support.databases import fresh_database
from tests.support.servers import Addresses


@asynccontextmanager
async def premises(addresses: Addresses) -> AsyncIterator[tuple[str, str]]:
    """The superuser's URL of a fresh database, and what stands before the names of topics. Both are gone at the end."""
    prefix = f"t{uuid4().hex[:8]}."
    async with fresh_database(addresses.superuser_url) as database:
        yield database, prefix
    await remove_topics(addresses.bootstrap, BY_NAME.values(), prefix=prefix)
