"""A reason has one code, and each code stands in one place."""

import ast
from pathlib import Path

import pytest

from schemas.alerts import AlertKind, EscalationReason
from schemas.reasons import Reason

ROOT = Path(__file__).parents[2]
OTHERS = {str(kind) for kind in (*AlertKind, *EscalationReason)}
"""Kinds of alerts are words of their own, also where a reason reads the same."""

CODES = {str(reason) for reason in Reason if "_" in reason} - OTHERS
"""A code of one word, such as `refused`, may stand in the code for something else."""

AN_OUTSIDER = ROOT / "services/local/demo"
"""The demo reads answers as a sender does."""


def modules() -> list[Path]:
    found = [
        path for part in ("services", "schemas") for path in sorted((ROOT / part).rglob("*.py"))
    ]
    return [path for path in found if AN_OUTSIDER not in path.parents and path.name != "reasons.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_spells_a_reason_by_itself(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spelled = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in CODES
    ]
    assert spelled == [], (
        f"{path.relative_to(ROOT)} spells {spelled}: say it with schemas.reasons.Reason"
    )


def test_no_two_codes_are_the_same_words_in_another_order() -> None:
    assert len({frozenset(str(reason).split("_")) for reason in Reason}) == len(Reason)
