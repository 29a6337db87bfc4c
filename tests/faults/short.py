"""The short form of the campaign: each fault once, those that take long left to `make faults`."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.faults.breaking import REQUESTS
from tests.faults.servers import Impossible, Servers
from tests.faults.world import Case
from tests.support.skips import ROOT

LONG = {
    "zombie, paused within its transaction", "zombie, paused after its commit", "rebalance storm",
    "kill -9 at any moment, over and over", "group offsets set to the beginning", "group offsets deleted",
    "a gzip batch that swells to 200 MiB", "50 % poison", "Kafka paused and resumed", "rolling restart under load",
    "group offsets set beyond the end", "PostgreSQL stopped and started", "kill -9 at engine.fetched",
    "kill -9 at relay.selected", "kill -9 at job.leased",
    *(f"a closed transport at {request}" for request in REQUESTS if request not in {"Fetch", "JoinGroup", "Produce"}),
}  # fmt: skip
SEED = random.SystemRandom().randrange(1_000_000)


def each(cases: Mapping[str, Case]) -> list[Any]:
    """Parameters of a test of these faults."""
    return [
        pytest.param(name, marks=pytest.mark.campaign) if name in LONG else pytest.param(name)
        for name in cases
    ]


async def hold(cases: Mapping[str, Case], on: Servers, fault: str) -> None:
    """Do a fault; nothing may be lost, doubled or wrong."""
    try:
        count = await cases[fault](on, SEED)
    except Impossible as why:
        pytest.skip(f"{ROOT}{why}")
    assert count.clean, f"{fault}, seed {SEED}: {count}"
