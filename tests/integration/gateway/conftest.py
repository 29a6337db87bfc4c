"""One gateway for the tests of a module: they share its doors, not their tenants."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.integration.gateway.world import World, open_world
from tests.support.databases import fresh_database


@pytest.fixture(scope="module")
async def world(superuser_url: str, bootstrap: str) -> AsyncIterator[World]:
    async with (
        fresh_database(superuser_url) as database,
        open_world(database, bootstrap, f"t{uuid4().hex[:8]}.") as found,
    ):
        yield found


@pytest.fixture(scope="module")
async def served(world: World) -> World:
    """Firm A is VAR-A's tenant, firm B is VAR-B's."""
    await world.serve("A", "VAR-A")
    await world.serve("B", "VAR-B")
    return world
