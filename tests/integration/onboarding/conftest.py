"""A scenario for each test of onboarding."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.onboarding.scenario import Scenario, opened


@pytest.fixture
async def scenario(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str
) -> AsyncIterator[Scenario]:
    async with opened(database, bootstrap, superuser_url, topic_prefix) as found:
        yield found
