"""What a stack says of itself is believed while that stack runs, and no longer."""

import os
from pathlib import Path

from services.cli.running import KEPT, addresses_forgotten, running
from services.local.home import Home

SAID = {"pid": os.getpid(), "addresses": [["gateway", "http://127.0.0.1:1"]], "inside": {}}


async def test_what_a_killed_stack_left_is_not_believed_of_the_next_one(tmp_path: Path) -> None:
    """Its process number may be another program's: `vicino stop` would end that."""
    home = Home(tmp_path)
    async with home:
        home.remember(KEPT, SAID)
    assert running(home) is None
    async with home:
        with addresses_forgotten(home):
            assert running(Home(tmp_path)) is None
            home.remember(KEPT, SAID)
            assert running(Home(tmp_path)) == SAID
        assert home.recall(KEPT) == {}
