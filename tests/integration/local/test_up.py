"""`vicino up` as an operator uses it: settings, addresses, a second one, status, logs, stop."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import sample

import aiohttp
import pytest

from services.local.ports import CANDIDATES, is_free

pytestmark = pytest.mark.timeout(300)
TOKEN = "a-token-of-the-operators-own-59d1c0aa7e"
UP_SECONDS = 150.0


@dataclass(frozen=True)
class Machine:
    """A state folder, and the commands of somebody who has it."""

    home: Path
    port: int
    environment: dict[str, str]

    async def vicino(self, *arguments: str, **more: str) -> tuple[int, str]:
        process = await self.start(*arguments, **more)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def start(self, *arguments: str, **more: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *arguments, "--home", str(self.home),
            env=self.environment | more, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def until_up(self, process: asyncio.subprocess.Process) -> None:
        """Wait until `vicino status` says that everything is ready."""
        async with asyncio.timeout(UP_SECONDS):
            while (await self.vicino("status"))[0] != 0:
                if process.returncode is not None:
                    pytest.fail((await process.communicate())[0].decode())
                await asyncio.sleep(0.5)


@pytest.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    home = tmp_path_factory.mktemp("up") / "home"
    home.mkdir()
    secret = home.parent / "token"
    secret.write_text(TOKEN)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("VICINO_")
    }
    if libs := os.environ.get("VICINO_KAFKA_LIBS"):
        environment["VICINO_KAFKA_LIBS"] = libs
    port = next(port for port in sample(CANDIDATES, 100) if is_free(port))
    found = Machine(home, port, environment | {"COLUMNS": "80"})
    lines = [
        "# what this installation has of its own", f"VICINO_OPERATOR_TOKEN_FILE={secret}",
        f"VICINO_GATEWAY_PORT={port}", "VICINO_REQUESTS_BURST=3", "VICINO_REQUESTS_PER_SECOND=0.001",
        "VICINO_SMTP_URL='smtp://me:hunter2@127.0.0.1:9'",
    ]  # fmt: skip
    (home / "settings.env").write_text("\n".join(lines) + "\n")
    process = await found.start("up")
    try:
        await found.until_up(process)
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_the_services_have_the_settings_of_the_file(machine: Machine) -> None:
    """The token came in a file of its own, the port was asked for, and a key may ask thrice."""
    me = f"http://127.0.0.1:{machine.port}/v1/me"
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        statuses = []
        for _ in range(4):
            async with session.get(me) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 200, 200, 429]


async def test_a_second_up_prints_the_addresses_of_the_first_and_starts_nothing(
    machine: Machine,
) -> None:
    code, said = await machine.vicino("up")
    assert (code, "is up already" in said) == (0, True)
    for expected in (f"http://127.0.0.1:{machine.port}", TOKEN, str(machine.home)):
        assert expected in said, f"{expected} is cut or missing in:\n{said}"


async def test_what_is_in_force_is_printed_and_no_secret(machine: Machine) -> None:
    code, said = await machine.vicino("settings", "--json", VICINO_LOG_LEVEL="WARNING")
    assert code == 0, said
    rows = {row["setting"]: row for row in json.loads(said)}
    assert rows["VICINO_REQUESTS_BURST"]["value"] == "3"
    assert rows["VICINO_REQUESTS_BURST"]["origin"] == str(machine.home / "settings.env")
    assert (rows["VICINO_LOG_LEVEL"]["value"], rows["VICINO_LOG_LEVEL"]["origin"]) == ("WARNING", "the environment")  # fmt: skip
    assert rows["VICINO_OPERATOR_TOKEN"]["value"] == "(set)"
    assert rows["VICINO_SMTP_URL"]["value"] == "smtp://...@127.0.0.1:9"
    assert TOKEN not in said
    assert "hunter2" not in said
    assert rows["VICINO_POOL_SIZE_MAX"] == {
        "setting": "VICINO_POOL_SIZE_MAX", "value": 12, "origin": "default",
        "services": "gateway, onboarding, billing, monitoring, console",
    }  # fmt: skip


async def test_the_logs_of_a_part_are_shown_and_a_wrong_part_is_named(machine: Machine) -> None:
    code, said = await machine.vicino("logs", "gateway", "-n", "5")
    assert (code, 0 < said.count("\n") <= 5) == (0, True)
    code, said = await machine.vicino("logs", "-n", "1")
    assert {line.partition(":")[0] for line in said.splitlines()} >= {"billing", "console", "postgres"}  # fmt: skip
    code, said = await machine.vicino("logs", "gatway")
    assert (code, "no log of gatway" in said) == (1, True)


@pytest.mark.parametrize("command", ["up", "settings"])
async def test_a_wrong_setting_ends_the_command_with_a_line(
    machine: Machine, command: str, tmp_path: Path
) -> None:
    elsewhere = Machine(tmp_path, 0, machine.environment)
    code, said = await elsewhere.vicino(command, VICINO_SMPT_URL="x")
    assert (code, "VICINO_SMPT_URL: no such setting; perhaps" in re.sub(r"\s+", " ", said)) == (
        1,
        True,
    )
    assert "Traceback" not in said


async def test_a_port_that_is_taken_is_named_and_nothing_else_is_used(
    machine: Machine, tmp_path: Path
) -> None:
    """The gateway of the first one has it."""
    elsewhere = Machine(tmp_path, 0, machine.environment)
    code, said = await elsewhere.vicino("up", VICINO_CONSOLE_PORT=str(machine.port))
    plain = re.sub(r"\s+", " ", said)
    assert (code, f"VICINO_CONSOLE_PORT: port {machine.port} is in use" in plain) == (1, True), said


async def test_it_is_stopped_from_another_terminal_and_then_nothing_runs(machine: Machine) -> None:
    code, said = await machine.vicino("stop")
    assert (code, "the data stay" in said) == (0, True), said
    left = [f for f in machine.home.glob("*.json") if TOKEN in f.read_text(encoding="utf-8")]
    assert left == [], "the token that came in a file of its own stays there alone"
    for command in ("stop", "status"):
        code, said = await machine.vicino(command)
        assert (code, "no Vicino runs" in said) == (1, True), said
