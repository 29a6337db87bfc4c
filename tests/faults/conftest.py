"""Servers of one's own for each file of faults: what is done to them is nothing for the servers of other tests."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.servers import Servers, servers


@pytest.fixture(scope="module")
async def ill_treated() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="vicino-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        async with servers(Path(folder)) as on:
            yield on
