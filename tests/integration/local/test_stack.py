"""A whole stack on one machine: what it keeps to itself, and what it does when a part of it dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from services.local.environment import MACHINE, USED_BY, known
from services.local.home import Home
from services.local.keeping import PartLost, keep_alive
from services.local.roles import SERVICES
from services.local.stack import Stack

pytestmark = pytest.mark.timeout(300)
WAIT_SECONDS = 120.0
"""Only what hangs gets there, on a loaded machine."""


class Watched:
    """A stack, and what it said about its parts."""

    def __init__(self, stack: Stack, said: list[str]) -> None:
        self.stack, self.said = stack, said

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"waited for {what}; the stack said {self.said}")

    async def until_ready(self) -> None:
        problems = dict.fromkeys(SERVICES, "not asked")
        try:
            async with asyncio.timeout(WAIT_SECONDS), aiohttp.ClientSession() as session:
                while problems:
                    for name in list(problems):
                        try:
                            async with session.get(f"{self.stack.inside(name)}/readyz") as answer:
                                problems[name] = await answer.text()
                                if answer.status == 200:
                                    del problems[name]
                        except aiohttp.ClientError as error:
                            problems[name] = repr(error)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"waited for readiness, of {problems}; the stack said {self.said}")

    def server(self, name: str) -> int:
        assert self.stack.postgres is not None
        assert self.stack.kafka is not None
        return self.stack.postgres.pid if name == "PostgreSQL" else self.stack.kafka.pid(1)


@pytest.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """In a folder that only its owner may enter, started by somebody with secrets of his own."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VICINO_POSTGRES_URL", "VICINO_KAFKA_BOOTSTRAP"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-whoever-started-it")
        patch.setenv("VICINO_SMTP_URL", "smtp://of:whoever@started.it")
        async with (
            Home(tmp_path_factory.mktemp("closed") / "home") as home,
            Stack(home, said.append, own_postgres=True) as stack,
        ):
            yield Watched(stack, said)


def environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode()
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_services_environment_holds_what_its_settings_name_and_no_more(
    watched: Watched, service: str
) -> None:
    found = environment(watched.stack.services[service].pid)
    assert found.keys() - set(MACHINE) <= known(service)
    secrets = {"VICINO_MASTER_KEY", "VICINO_OPERATOR_TOKEN"}
    assert found.keys() & secrets == {name for name in secrets if service in USED_BY[name]}
    passwords = {name: watched.stack.url_of(name) for name in SERVICES if name != service}
    assert [name for name, url in passwords.items() if url in found.values()] == []


async def test_nobody_else_may_read_the_state_folder_or_anything_in_it(watched: Watched) -> None:
    home = watched.stack.home.path
    assert home.stat().st_mode & 0o777 == 0o700
    items = [item for item in home.rglob("*") if item.exists() and not item.is_symlink()]
    assert len(items) > 500
    assert [str(item) for item in items if item.stat().st_mode & 0o077] == []


async def test_postgresql_has_no_capability_and_shares_its_user_with_nobody(
    watched: Watched,
) -> None:
    assert watched.stack.postgres is not None
    server = psutil.Process(watched.stack.postgres.pid)
    family = [server, *server.children(recursive=True)]
    assert len(family) > 3
    for process in family:
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        held = {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
        assert set(held.values()) == {0}, (process, held)
    if os.geteuid() == 0:
        number = server.uids().real
        family_pids = {process.pid for process in family}
        others = [
            process
            for process in psutil.process_iter(["uids"])
            if process.pid not in family_pids
            and process.info["uids"]
            and process.info["uids"].real == number
        ]
        alive = [
            process for process in others if process.is_running() and process.parent() != server
        ]
        assert (number != 0, alive) == (True, [])


@pytest.mark.parametrize("name", ["PostgreSQL", "Kafka"])
async def test_a_server_that_is_killed_comes_back_and_every_service_is_ready_again(
    watched: Watched, name: str
) -> None:
    before = watched.server(name)
    watched.said.clear()
    os.kill(before, signal.SIGKILL)
    await watched.until(
        f"{name} to be reported", lambda: any(f"{name} ended" in line for line in watched.said)
    )

    def returned() -> bool:
        try:
            return watched.server(name) != before
        except (ProcessLookupError, KeyError):
            return False

    await watched.until(f"another {name}", returned)
    await watched.until_ready()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_is_killed_comes_back(watched: Watched, service: str) -> None:
    watched.said.clear()
    os.kill(watched.stack.services[service].pid, signal.SIGKILL)
    await watched.until(
        f"{service} to be reported",
        lambda: any(f"{service} ended" in line for line in watched.said),
    )
    await watched.until_ready()


async def test_a_server_that_ends_again_and_again_ends_the_stack_with_one_line() -> None:
    starts = 0

    async def ended() -> int:
        return 7

    async def start() -> None:
        nonlocal starts
        starts += 1
        if starts % 2:
            raise RuntimeError("did not start")

    with pytest.raises(
        PartLost, match=r"^Kafka ended 3 times in a row, the last time with 7; its log: x\.log$"
    ):
        await keep_alive("Kafka", ended, start, lambda _: None, "x.log", attempts_max=3)
