"""`docs/how-to/a-resellers-afternoon.md`, command by command, by somebody who has what the page says and nothing else."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.local.ports import free_port
from tests.integration.gateway.street import Street
from tests.integration.gateway.world import VAT_NUMBERS, tenant_of

PAGE = Path(__file__).parents[3] / "docs/how-to/a-resellers-afternoon.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)  # fmt: skip
GIVEN = "export URL="
"""The block of what the operator gives: here it is given by the test."""


def shell() -> list[str]:
    return [text for kind, text in BLOCKS if kind == "sh" and not text.startswith(GIVEN)]


def test_every_block_of_the_page_is_run_by_this_test() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "python"}
    assert next(text for kind, text in BLOCKS if kind == "python").startswith("# receiver.py")
    assert len(shell()) == len([kind for kind, _ in BLOCKS if kind == "sh"]) - 1


async def test_the_afternoon_goes_as_the_page_says(street: Street, tmp_path: Path) -> None:
    world = street.world
    await world.register("VAR-AFTERNOON")
    [receiver] = [text for kind, text in BLOCKS if kind == "python"]
    (tmp_path / "receiver.py").write_text(receiver, encoding="utf-8")
    port = free_port()
    given = {
        "URL": world.gateway.url, "KEY": world.keys["VAR-AFTERNOON"], "SECRET": world.secrets["VAR-AFTERNOON"],
        "HOOK": f"http://127.0.0.1:{port}/hook", "ME": "VAR-AFTERNOON", "TENANT": tenant_of("A"), "PORT": str(port),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }  # fmt: skip
    # The gateway's time stands still: a date of the machine would lie in its future.
    now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    commands = "\n".join(shell()).replace("$(date -u +%Y-%m-%dT%H:%M:%SZ)", now)
    commands = commands.replace('"id\\": \\"order-1', f'"id\\": \\"order-{uuid4()}')
    # The page's firm is another reseller's here.
    commands = commands.replace(VAT_NUMBERS["B"], VAT_NUMBERS["C"])
    listening = await asyncio.create_subprocess_exec(
        sys.executable, "receiver.py", cwd=tmp_path, env=given, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await world.gateway.eventually(lambda: _listens(port))
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", commands, cwd=tmp_path, env=given,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        assert listening.stdout is not None
        async with asyncio.timeout(30):
            first = (await listening.stdout.readline()).decode()
        assert first.startswith("vicino.webhook.tested.v1 "), first
    finally:
        listening.terminate()
        await listening.wait()
    for expected in (
        '"id":"VAR-AFTERNOON"', '"notification_id"', '"state":"accepted"', '"vicino.webhook.tested.v1"', "vicino-as-of:",
        '"key_id"', '"webhook_secret"', "no such tenant of yours",
    ):  # fmt: skip
        assert expected in said, f"{expected} is not in:\n{said}"
    problems = re.findall(r'"status":(\d+),"detail":"([^"]*)"', said)
    assert problems == [("404", "no such tenant of yours")] * 2, (
        "usage and cost of another's tenant, and no more"
    )


async def _listens(port: int) -> Any:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
