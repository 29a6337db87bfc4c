"""A stop takes less than 15 s whatever is in flight, even while a server has gone silent; `/readyz` has reported it before."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import psutil
import pytest

from schemas.topics import BY_NAME
from services.chassis.admin import ensure_topics
from services.local.home import CHECKOUT
from services.local.ports import free_port
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of
from tests.faults.busy import NAME
from tests.faults.servers import Servers
from tests.support.databases import PASSWORD

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
STOP_SECONDS = 15.0


def everyone(on: Servers) -> list[psutil.Process]:
    """PostgreSQL's processes; each has a group of its own."""
    postmaster = psutil.Process(on.postgres.pid)
    return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def nothing_silent(on: Servers) -> Iterator[str]:
    """Both servers are well."""
    yield "ready"


@contextmanager
def postgres_silent(on: Servers) -> Iterator[str]:
    """PostgreSQL stands still: connections stay open, nothing answers."""
    processes = everyone(on)
    for process in processes:
        process.suspend()
    yield "database: "
    for process in processes:
        process.resume()


@contextmanager
def kafka_silent(on: Servers) -> Iterator[str]:
    """Kafka stands still."""
    on.kafka.pause()
    yield "no answer from Kafka"
    on.kafka.resume()


@dataclass
class Busy:
    """A process with a slice, a job and a request in flight."""

    child: Child
    address: str
    inside: str
    database: str

    async def says(self, text: str) -> None:
        """Wait until `/readyz` says so."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            said = ""
            while text not in said:
                await asyncio.sleep(0.1)
                try:
                    async with session.get(f"{self.inside}/readyz") as answer:
                        said = await answer.text()
                except aiohttp.ClientError:
                    continue  # it is not listening yet

    async def ask(self, query: str) -> Any:
        """Ask its database."""
        connection = await asyncpg.connect(self.database, server_settings={"search_path": NAME})
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    async def until_busy(self) -> None:
        """Wait until a slice and a job are in flight."""
        query = """select exists (select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database())
                   and exists (select from job where lease_token is not null)"""
        async with asyncio.timeout(60):
            while not await self.ask(query):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def at_work(on: Servers) -> AsyncIterator[Busy]:
    """Start it, and wait until all three are in flight."""
    name, port, inside, log = (
        f"s{uuid4().hex[:8]}",
        free_port(),
        free_port(),
        on.home / "logs/busy.log",
    )
    await ensure_database(on.postgres.superuser_url, name)
    await ensure_service(
        on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{name}", name, NAME, PASSWORD
    )
    await ensure_topics(on.kafka.bootstrap, BY_NAME.values(), prefix=f"{name}.")
    database = on.postgres.url(role_of(NAME), PASSWORD, name)
    told = {
        "VICINO_POSTGRES_URL": database,
        "VICINO_KAFKA_BOOTSTRAP": on.kafka.bootstrap,
        "VICINO_TOPIC_PREFIX": f"{name}.",
        "VICINO_HTTP_PORT": str(port),
        "VICINO_INSIDE_PORT": str(inside),
    }
    command = [sys.executable, "-m", "tests.faults.busy"]
    child = await Child.start(
        "busy", command, log=log, env={**os.environ, **told}, cwd=CHECKOUT, grace_seconds=40
    )
    busy = Busy(child, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{inside}", database)
    try:
        await busy.says('"ready"')
        async with aiohttp.ClientSession() as session:
            request = asyncio.create_task(session.get(f"{busy.address}/slow"))
            await busy.until_busy()
            yield busy
            request.cancel()
    finally:
        await child.kill()


@pytest.mark.parametrize("silence", [nothing_silent, postgres_silent, kafka_silent])
async def test_a_stop_is_over_in_time_whatever_is_in_work(
    ill_treated: Servers, silence: Callable[[Servers], AbstractContextManager[str]]
) -> None:
    async with at_work(ill_treated) as busy:
        with silence(ill_treated) as problem:
            await busy.says(problem)
            began = time.monotonic()
            await busy.child.stop()
            took = time.monotonic() - began
        assert took < STOP_SECONDS
        if silence is nothing_silent:
            given_back = "select count(*) = 1 from job where lease_token is null and attempt = 0"
            assert await busy.ask(given_back)
