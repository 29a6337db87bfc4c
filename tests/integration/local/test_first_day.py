"""`docs/how-to/an-operators-first-day.md`, command by command, on a stack that `vicino up` started."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.integration.local.test_up import UP_SECONDS, Machine

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/how-to/an-operators-first-day.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)  # fmt: skip
SERVED = 'vicino tenants list --state active | grep -q "ERP-CLOUD active"'
"""What the page calls a second later."""


async def test_the_first_day_goes_as_the_page_says(tmp_path: Path) -> None:
    assert BLOCKS[0] == "make up\n"
    assert BLOCKS[-1] == "vicino stop\n"
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VICINO_")}  # fmt: skip
    if libs := os.environ.get("VICINO_KAFKA_LIBS"):
        environment["VICINO_KAFKA_LIBS"] = libs
    environment |= {
        "VICINO_HOME": str(home), "COLUMNS": "300", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    machine = Machine(home, 0, environment)
    process = await machine.start("up")
    try:
        await machine.until_up(process)
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        wait = f"for n in $(seq 300); do {SERVED} && break; sleep 0.2; done; {SERVED}\n"
        commands = "".join(
            wait + block if block.startswith("vicino orders list") else block
            for block in BLOCKS[1:]
        )
        day = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", commands, cwd=tmp_path, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await day.communicate())[0].decode()
        assert day.returncode == 0, said
        async with asyncio.timeout(UP_SECONDS):
            ended = (await process.communicate())[0].decode()
        assert "the data stay" in ended
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    for expected in (
        "The door would accept it.", "with revision 1", "It is the catalogue that stands.", '"api_key"', "VAR-MO-01",
        '"order_id"', "ORD-1", "completed", "ERP-CLOUD active", "waiting", "the data stay",
    ):  # fmt: skip
        assert expected in said, f"{expected} is not in:\n{said}"
    assert "Traceback" not in said
