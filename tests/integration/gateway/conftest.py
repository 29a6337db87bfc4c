"""One gateway for the tests of a module: they share its doors, not their tenants."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.integration.gateway.street import Street, open_street
from tests.integration.gateway.world import World, open_world
from tests.support.databases import fresh_database
from tests.support.servers import Addresses


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


@pytest.fixture(scope="module")
async def street(addresses: Addresses) -> AsyncIterator[Street]:
    """The gateway with the console and billing behind it."""
    async with open_street(addresses, requests_per_second=1e6, requests_burst=1e6) as found:
        yield found
