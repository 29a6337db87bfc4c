"""`vicino demo` keeps its word, and leaves nothing behind, however it ends."""

import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
FIELDS = {
    "tenants",
    "usage",
    "invoices",
    "alerts",
    "orders_to_active_ms",
    "seconds",
    "expectations",
}


async def start(home: Path, *under: str, **more: str) -> asyncio.subprocess.Process:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("VICINO_")
    } | more
    return await asyncio.create_subprocess_exec(
        *under, sys.executable, "-m", "services.cli", "demo", "--home", str(home), cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def left_behind(home: Path) -> list[str]:
    """Processes that still have to do with a home."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ", "cwd"]):
        clock = (process.info["environ"] or {}).get("VICINO_CLOCK_FILE", "")
        said = " ".join([*(process.info["cmdline"] or []), str(process.info["cwd"]), clock])
        if str(home) in said and process.info["pid"] != os.getpid():
            found.append(said[:120])
    return found


async def gone(home: Path) -> None:
    async with asyncio.timeout(25):
        while left_behind(home):
            await asyncio.sleep(0.2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """In a folder that only its owner may enter, as pytest makes it: also for root, as whom PostgreSQL does not run."""
    return tmp_path / "home"


@pytest.mark.timeout(240)
async def test_every_expectation_of_the_story_holds_and_is_written_down(home: Path) -> None:
    demo = await start(home)
    output, _ = await demo.communicate()
    assert demo.returncode == 0, output.decode()[-3000:]
    outcome = json.loads((home / "demo.json").read_text(encoding="utf-8"))
    assert outcome.keys() >= FIELDS
    assert [e["name"] for e in outcome["expectations"] if not e["held"]] == []
    assert len({e["name"] for e in outcome["expectations"]}) == len(outcome["expectations"]) > 90
    states = {tenant["external_id"]: tenant["state"] for tenant in outcome["tenants"]}
    assert sum(state == "active" for state in states.values()) == 10
    assert states["SME-10"] == "waiting"
    usage = outcome["usage"]
    assert (
        usage["sent"]
        == usage["counted"] + usage["duplicates"] + sum(usage["rejected"].values())
        >= 20_000
    )
    (invoice,) = [
        i for i in outcome["invoices"] if (i["external_id"], i["date"]) == ("SME-01", "2026-12-01")
    ]
    assert (len(invoice["lines"]), Decimal(invoice["totals"]["totale_documento"])) == (
        8,
        Decimal("387.80"),
    )
    assert len(outcome["alerts"]) == 3
    await gone(home)


async def in_the_middle(home: Path) -> None:
    async with asyncio.timeout(60):
        while not (home / "demo" / "logs" / "billing.log").exists():
            await asyncio.sleep(0.1)


@pytest.mark.cluster
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_demo_ended_in_the_middle_leaves_no_process_behind(
    home: Path, number: signal.Signals
) -> None:
    demo = await start(home)
    await in_the_middle(home)
    demo.send_signal(number)
    await demo.communicate()
    assert demo.returncode != 0
    await gone(home)


@pytest.mark.cluster
@pytest.mark.timeout(120)
async def test_a_demo_whose_make_is_killed_leaves_no_process_behind(home: Path) -> None:
    make = await start(home, "bash", "-c", '"$@" & wait', "make", MAKELEVEL="1")
    await in_the_middle(home)
    make.kill()
    await make.wait()
    await gone(home)
