"""Three brokers: what is accepted stays accepted, whichever of them is lost. `make faults` does the same many times over."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.on_cluster import CASES
from tests.faults.servers import Servers, servers
from tests.faults.short import each, hold

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(
        prefix="vicino-cluster-", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o711)
        async with servers(Path(folder), nodes=3) as on:
            yield on


@pytest.mark.parametrize("fault", each(CASES))
async def test_nothing_accepted_is_lost_doubled_or_wrong(cluster: Servers, fault: str) -> None:
    await hold(CASES, cluster, fault)
