"""Fixtures of the whole test run: one PostgreSQL and one Kafka, the real ones, started once.

`superuser_url`, `bootstrap`: where they are. `database`: a fresh database for a test, its superuser URL. `topic_prefix`:
a prefix that no other test has, so that tests share the broker and nothing else.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import hypothesis
import pytest

from schemas.topics import BY_NAME
from services.chassis.admin import remove_topics
from tests.support.databases import fresh_database
from tests.support.servers import Addresses, started

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

# A busy machine is slow, not wrong: an example has no deadline, its test has (pyproject.toml, `timeout`).
hypothesis.settings.register_profile("vicino", deadline=None)
hypothesis.settings.load_profile("vicino")

pytest_plugins = ["tests.support.skips"]

_RUN = ExitStack()
_SHARED = pytest.StashKey[dict[str, str]]()


def pytest_configure_node(node: Any) -> None:
    """Tests run in several processes: their controller starts the servers, once."""
    if _SHARED not in node.config.stash:
        node.config.stash[_SHARED] = asdict(_RUN.enter_context(started()))
    node.workerinput["servers"] = node.config.stash[_SHARED]


def pytest_unconfigure() -> None:
    """The end of the run is the end of its servers."""
    _RUN.close()


@pytest.fixture(scope="session")
def addresses(pytestconfig: pytest.Config) -> Iterator[Addresses]:
    if shared := getattr(pytestconfig, "workerinput", None):
        yield Addresses(**shared["servers"])
    else:
        with started() as own:
            yield own


@pytest.fixture(scope="session")
def superuser_url(addresses: Addresses) -> str:
    return addresses.superuser_url


@pytest.fixture(scope="session")
def bootstrap(addresses: Addresses) -> str:
    return addresses.bootstrap


@pytest.fixture
async def database(superuser_url: str) -> AsyncIterator[str]:
    """The superuser's URL of a fresh database."""
    async with fresh_database(superuser_url) as url:
        yield url


@pytest.fixture
async def topic_prefix(bootstrap: str) -> AsyncIterator[str]:
    """Before the names of a test's topics. They are removed after it: the broker of a whole run would else hold ten
    thousand partitions by the end, and spend its time on collecting garbage."""
    prefix = f"t{uuid4().hex[:8]}."
    yield prefix
    await remove_topics(bootstrap, BY_NAME.values(), prefix=prefix)
