"""One gateway for the tests of a module: they share its doors, not their tenants."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from services.local.kafka import Kafka
from services.local.postgres import Postgres
from services.local.roles import ensure_database
from tests.integration.gateway.world import World, open_world


@pytest.fixture(scope="module")
async def world(postgres: Postgres, kafka: Kafka) -> AsyncIterator[World]:
    name = f"test_{uuid4().hex[:12]}"
    await ensure_database(postgres.superuser_url, name)
    database = postgres.superuser_url.rsplit("/", 1)[0] + f"/{name}"
    async with open_world(database, kafka.bootstrap, f"t{uuid4().hex[:8]}.") as found:
        yield found
    connection = await asyncpg.connect(postgres.superuser_url)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


@pytest.fixture(scope="module")
async def served(world: World) -> World:
    """Firm A is VAR-A's tenant, firm B is VAR-B's."""
    await world.serve("A", "VAR-A")
    await world.serve("B", "VAR-B")
    return world
