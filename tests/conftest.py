"""Fixtures of the whole test run: one PostgreSQL and one Kafka, the real ones, started once.

`postgres`, `kafka`: the servers. `database`: a fresh database for a test, its superuser URL. `topic_prefix`: a prefix
that no other test has, so that tests share the broker and nothing else.
"""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from services.local.kafka import Kafka
from services.local.postgres import Postgres
from services.local.roles import ensure_database

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="vicino-tests-"))
    home.chmod(0o711)
    (home / "logs").mkdir()
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(servers_home: Path) -> AsyncIterator[Postgres]:
    server = await Postgres.start(servers_home / "postgres", log=servers_home / "logs/postgres.log")
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def kafka(servers_home: Path) -> AsyncIterator[Kafka]:
    broker = await Kafka.start(servers_home / "kafka")
    yield broker
    await broker.stop()


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """The superuser's URL of a fresh database."""
    name = f"test_{uuid4().hex[:12]}"
    await ensure_database(postgres.superuser_url, name)
    yield postgres.superuser_url.rsplit("/", 1)[0] + f"/{name}"
    connection = await asyncpg.connect(postgres.superuser_url)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


@pytest.fixture
def topic_prefix() -> str:
    return f"t{uuid4().hex[:8]}."


@pytest.fixture(scope="session", autouse=True)
def event_loop_debug_off() -> None:
    asyncio.get_event_loop_policy()
