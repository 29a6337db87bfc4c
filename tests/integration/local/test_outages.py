"""While PostgreSQL or Kafka is unavailable, services write little, try seldom, and are ready soon after it is back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from services.local.home import Home
from services.local.kafka import Kafka
from services.local.postgres import Postgres
from services.local.stack import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
OUTBREAK_SECONDS = 4.0
"""Before it is measured: each message is written once when an outage begins."""

MEASURED_SECONDS = 12.0
"""More than one window in which repeated messages are counted."""

LOG_BYTES_PER_SECOND_MAX = 1_500
"""Of one service. It was 14,000 to 29,000."""

CONNECTIONS_PER_SECOND_MAX = 40
"""Of five services with four to six clients each. It was 209, and now and then more than 1,000."""

ANSWER = aiohttp.ClientTimeout(total=5)
"""Of one question to a service; it is asked again."""

RECOVERY_SECONDS_MAX = 60.0
"""Only what hangs gets there, also on two busy cores."""


class Servers:
    """Both servers of a stack, which is a guest on them: nobody starts them again but the test."""

    def __init__(self, stack: Stack, postgres: Postgres, kafka: Kafka) -> None:
        self.stack, self.postgres, self.kafka = stack, postgres, kafka

    async def kill(self, name: str) -> int:
        """Kill a server; returns the port where it was."""
        if name == "PostgreSQL":
            await self.postgres.kill()
            return self.postgres.port
        await self.kafka.kill(1)
        return int(self.kafka.bootstrap.rpartition(":")[2])

    async def restart(self, name: str) -> None:
        if name == "PostgreSQL":
            await self.postgres.launch()
        else:
            await self.kafka.restart_node(1)

    def log_bytes(self) -> dict[str, int]:
        return {name: self.stack.home.log(name).stat().st_size for name in self.stack.services}

    async def until_ready(self) -> None:
        problems = dict.fromkeys(self.stack.services, "not asked")
        try:
            async with (
                asyncio.timeout(RECOVERY_SECONDS_MAX),
                aiohttp.ClientSession(timeout=ANSWER) as session,
            ):
                while problems:
                    for name in list(problems):
                        try:
                            async with session.get(f"{self.stack.inside(name)}/readyz") as answer:
                                problems[name] = await answer.text()
                                if answer.status == 200:
                                    del problems[name]
                        except (aiohttp.ClientError, TimeoutError) as error:
                            problems[name] = repr(error)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"waited for readiness, of {problems}")


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    folder: Path = tmp_path_factory.mktemp("outages")
    folder.chmod(0o711)
    postgres = await Postgres.start(folder / "postgres", log=folder / "postgres.log")
    kafka = await Kafka.start(folder / "kafka")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VICINO_POSTGRES_URL", postgres.superuser_url)
            patch.setenv("VICINO_KAFKA_BOOTSTRAP", kafka.bootstrap)
            async with Home(folder / "home") as home, Stack(home) as stack:
                yield Servers(stack, postgres, kafka)
    finally:
        await asyncio.gather(kafka.stop(), postgres.stop())


@asynccontextmanager
async def answering(port: int, behaviour: str) -> AsyncIterator[list[float]]:
    """Something at the port of a dead server, as a load balancer does it; gives the time of each connection."""
    times: list[float] = []
    held: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        if behaviour == "closes":
            writer.close()
        else:
            held.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield times
    finally:
        server.close()
        for writer in held:
            writer.close()


@pytest.mark.parametrize(
    ("names", "behaviour"),
    [
        (["Kafka"], "closes"), (["Kafka"], "is silent"), (["Kafka"], "refuses"),
        (["PostgreSQL"], "closes"), (["PostgreSQL"], "refuses"), (["Kafka", "PostgreSQL"], "closes"),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, list) else value,
)  # fmt: skip
async def test_an_outage_fills_no_disk_and_floods_no_server(
    servers: Servers, names: list[str], behaviour: str
) -> None:
    before = servers.log_bytes()
    ports = [await servers.kill(name) for name in names]
    logged, connections = await measured(servers, ports, behaviour)
    assert all(rate < LOG_BYTES_PER_SECOND_MAX for rate in logged.values()), (
        f"bytes a second of log: {logged}"
    )
    assert connections < CONNECTIONS_PER_SECOND_MAX
    assert [name for name, size in servers.log_bytes().items() if size == before[name]] == [], (
        "an outage is logged"
    )
    for name in names:
        await servers.restart(name)
    await servers.until_ready()


async def measured(
    servers: Servers, ports: list[int], behaviour: str
) -> tuple[dict[str, float], float]:
    """Bytes of log a second of each service, and connections a second of all together."""
    if behaviour == "refuses":
        return await measured_log(servers), 0.0
    times: list[list[float]] = []
    async with (
        answering(ports[0], behaviour) as first,
        answering(ports[-1], behaviour) if ports[1:] else _none() as more,
    ):
        times = [first, more]
        logged = await measured_log(servers)
        since = time.monotonic() - MEASURED_SECONDS
        return logged, sum(at > since for list_ in times for at in list_) / MEASURED_SECONDS


@asynccontextmanager
async def _none() -> AsyncIterator[list[float]]:
    yield []


async def measured_log(servers: Servers) -> dict[str, float]:
    await asyncio.sleep(OUTBREAK_SECONDS)
    before = servers.log_bytes()
    await asyncio.sleep(MEASURED_SECONDS)
    return {
        name: (size - before[name]) / MEASURED_SECONDS for name, size in servers.log_bytes().items()
    }
