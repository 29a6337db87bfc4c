"""Nothing is lost, doubled or wrong under any fault. `make faults` does the same many times over, with more seeds."""

import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.world import Servers, servers

LONG = {
    "zombie, paused within its transaction",
    "zombie, paused after its commit",
    "group offsets set to the beginning",
    "group offsets deleted",
}
SEED = random.SystemRandom().randrange(1_000_000)


@pytest.fixture(scope="module")
async def ill_treated() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="vicino-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        async with servers(Path(folder)) as on:
            yield on


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.campaign) if name in LONG else name for name in CASES]
)
async def test_nothing_is_lost_doubled_or_wrong(ill_treated: Servers, fault: str) -> None:
    count = await CASES[fault](ill_treated, SEED)
    assert count.clean, f"{fault}, seed {SEED}: {count}"
