"""A value is one line, whatever it holds: at a terminal, in a log, in what a command says at its end."""

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.texts import UNSEEN, lines, one_line
from services.cli.shared import show_table
from services.local.play import cannot_go_on

ROOT = Path(__file__).parents[3]
BREAKING = [
    chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) in UNSEEN
]
SENDABLE = [sign for sign in BREAKING if unicodedata.category(sign) != "Cs"]
NAMES = {
    "line feed": "\n", "return": "\r", "escape": "\x1b[2K", "next line": "\x85", "line separator": "\u2028", "bidi": "\u202e",
    "backspace": "\b\b\b", "bell": "\a", "nul": "\0", "delete": "\x7f", "tab": "\t", "csi": "\x9b2K",
}  # fmt: skip


@given(st.text(), st.sampled_from(BREAKING), st.text())
def test_one_line_holds_nothing_that_breaks_it(before: str, sign: str, after: str) -> None:
    found = one_line(before + sign + after)
    assert [one for one in found if unicodedata.category(one) in UNSEEN] == []
    assert found.splitlines() in ([], [found])


def test_what_can_be_seen_stays() -> None:
    assert one_line("  S. Donà  di\u00a0Piave, € 5 <b>") == "S. Donà di\u00a0Piave, € 5 <b>"
    assert lines("first\n  second \x1b[31m\r\n") == "first\n  second [31m\n"
    assert one_line("a" * 900, 500) == "a" * 500


def said(text: str) -> list[str]:
    """What a terminal is sent, without what colours it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")


@pytest.mark.parametrize("sign", NAMES.values(), ids=NAMES)
def test_a_table_at_the_terminal_has_one_row_a_value(
    sign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_table(("first", "second"), [(f"a{sign}forged", f"[red]b{sign}forged"), ("c", None)])
    rows = said(capsys.readouterr().out)
    assert sum("forged" in row for row in rows) == 1
    assert [one for row in rows for one in row if unicodedata.category(one) in UNSEEN] == []


def test_every_sign_that_breaks_a_line_is_kept_from_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_table(("first",), [(f"a{sign}b",) for sign in SENDABLE])
    found = "".join(said(capsys.readouterr().out))
    assert [one for one in found if unicodedata.category(one) in UNSEEN] == []


def test_the_last_word_of_a_command_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException, match="1"):
        cannot_go_on("refused: " + "".join(sign for sign in SENDABLE if sign != "\n"))
    found = "".join(said(capsys.readouterr().err))
    assert [one for one in found if unicodedata.category(one) in UNSEEN] == []


LOGGING = """
import json, logging, sys
from services.chassis import logs
logs.configure("billing", "INFO")
for number, sign in enumerate(json.loads(sys.stdin.read())):
    value = f"a{sign}b"
    more = {"nested": {value: [value]}, "raw": value.encode("utf-8", "replace")}
    logs.logger("services.test").info(f"m{number}{sign}", value=value, **more)
    logging.getLogger("library").warning("%d said %s", number, value)
try:
    raise ValueError("a\\nforged")
except ValueError:
    logs.logger("services.test").exception("failed")
"""


def test_a_log_line_is_one_line_whatever_it_tells() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING], input=json.dumps(BREAKING), cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    rows = done.stdout.split("\n")
    assert rows.pop() == ""
    found = [json.loads(row) for row in rows]
    assert [one for row in rows for one in row if unicodedata.category(one) in UNSEEN] == []
    assert sum("value" in one for one in found) == len(BREAKING)
    assert done.stderr == ""
