"""Worked lives of tenants come out to the cent, through the real service."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.player import play

LIVES = json.loads((Path(__file__).parent / "lives.json").read_text())["lives"]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life["id"])
async def test_a_life_comes_out_as_it_was_worked_out(
    life: dict[str, Any], database: str, bootstrap: str, topic_prefix: str
) -> None:
    found = await play(life, database, bootstrap, topic_prefix)
    assert found
    assert [one for one in found if not one.agrees] == []
