"""`vicino play` leaves the world of the demo running, its clock in one's hand, until it is stopped; nothing is left then."""

import asyncio
import json
import os
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from services.cli.clock import instant_of
from tests.acceptance.test_demo import ROOT, gone

NOW = datetime(2026, 12, 3, 8, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
SECONDS = 150.0


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-12-04", datetime(2026, 12, 4, 9, tzinfo=ROME)),
        ("2026-07-01", datetime(2026, 7, 1, 9, tzinfo=ROME)),
        ("2026-12-04T18:30", datetime(2026, 12, 4, 18, 30, tzinfo=ROME)),
        ("2026-12-04T18:30:00Z", datetime(2026, 12, 4, 18, 30, tzinfo=UTC)),
        ("2026-12-04T18:30+05:00", datetime(2026, 12, 4, 13, 30, tzinfo=UTC)),
        ("+30m", datetime(2026, 12, 3, 8, 30, tzinfo=UTC)),
        ("+2h", datetime(2026, 12, 3, 10, tzinfo=UTC)),
        ("+3d", datetime(2026, 12, 6, 8, tzinfo=UTC)),
    ],
)
def test_a_day_is_its_morning_in_rome_and_a_step_goes_on_from_now(
    said: str, meant: datetime
) -> None:
    assert instant_of(said, NOW) == meant


@pytest.mark.parametrize("said", ["", "tomorrow", "2026-13-01", "-1d", "+1y", "+999999d", "12:30"])
def test_what_is_no_time_is_refused(said: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        instant_of(said, NOW)


class Folder:
    """The folder of a world that plays, and commands about it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def command(self, *said: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VICINO_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *said, cwd=ROOT, env=environment | {"VICINO_HOME": str(self.path)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    def said(self, what: str) -> str:
        rows = json.loads((self.path / "up.json").read_text(encoding="utf-8"))["addresses"]
        return str(dict(rows)[what])

    async def page(self, path: str) -> str:
        headers = {"Authorization": f"Bearer {self.said('operator token')}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(self.said("console") + path) as answer,
        ):
            assert answer.status == 200
            return await answer.text()


async def until_it_stays(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    output = b""
    async with asyncio.timeout(SECONDS):
        while b"The world stays" not in output:
            line = await process.stdout.readline()
            assert line, output.decode()[-3000:]
            output += line
    return output.decode()


@pytest.mark.cluster
@pytest.mark.timeout(300)
async def test_the_world_stays_and_its_clock_is_moved_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VICINO_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "play", "--home", str(home), cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        output = await until_it_stays(process)
        assert "✗" not in output
        world = Folder(home / "play")
        assert (await world.command("status"))[0] == 0
        assert "Ceramiche" in await world.page("/tenants")
        assert "04 February 2027" in (await world.command("clock", "show"))[1]
        code, refused = await world.command("clock", "set", "2026-12-31")
        assert (code, "never goes back" in refused) == (1, True)
        before = len(re.findall("/invoices/", await world.page("/invoices")))
        code, moved = await world.command("clock", "set", "2027-03-04")
        assert (code, "04 March 2027" in moved) == (0, True)
        async with asyncio.timeout(60):  # the month that is over is invoiced by itself
            while len(re.findall("/invoices/", await world.page("/invoices"))) <= before:
                await asyncio.sleep(0.5)
        code, again = await world.command("play", "--home", str(home))
        assert (code, "it plays already" in again) == (1, True)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
    assert b"stopped" in rest
    await gone(home)
    assert (await Folder(home / "play").command("clock", "show"))[0] == 1
