"""Nothing is left untested in silence: a run says what it skipped, and a complete run fails for it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.skips import DEBIAN

ROOT = Path(__file__).parents[2]
CASES = {
    "program": "from tests.support.skips import installed\ndef test_one():\n    installed('promtool')\n",
    "root": "import pytest\nfrom tests.support.skips import ROOT\ndef test_one():\n    pytest.skip(ROOT + 'mounts')\n",
    "ordinary": "import pytest\nfrom tests.support.skips import ORDINARY\n"
    "def test_one():\n    pytest.skip(ORDINARY + 'is refused')\n",
    "other": "import pytest\ndef test_one():\n    pytest.skip('no reason to speak of')\n",
    "mark": "import pytest\n@pytest.mark.skip(reason='by mark')\ndef test_one():\n    pass\n",
    "module": "import pytest\npytest.skip('whole file', allow_module_level=True)\n",
    "missing": "import pytest\npytest.importorskip('surely_not_installed')\n",
}


def run(folder: Path, cases: Iterable[str], *options: str) -> tuple[int, str]:
    """Tests that skip, and one that passes, in a run of its own on a machine without programs."""
    for case in cases:
        (folder / f"test_{case}.py").write_text(CASES[case], encoding="utf-8")
    (folder / "test_passes.py").write_text("def test_two():\n    pass\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.skips",
        "-p",
        "no:cacheprovider",
        *options,
        ".",
    ]
    environment = {**os.environ, "PATH": "", "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "workers"])
def test_a_run_says_which_tests_it_skipped_and_why(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    code, said = run(tmp_path, CASES, *workers)
    assert code == 0, said
    assert "= not tested =" in said
    told = re.findall(r"^1 skipped: .+\n    test_(\w+)\.py", said, re.MULTILINE)
    assert sorted(told) == sorted(CASES), said
    assert "1 skipped: promtool missing: apt-get install prometheus" in said


@pytest.mark.parametrize("case", CASES)
def test_a_complete_run_fails_for_a_skip_unless_another_user_is_needed(
    tmp_path: Path, case: str
) -> None:
    code, said = run(tmp_path, [case], "--no-skips")
    assert (code != 0) == (case not in ("root", "ordinary")), said
    assert re.search(r"1 passed, 1 skipped|1 skipped, 1 passed", said), said


def test_what_has_to_hold_installs_every_program_that_tests_ask_for_and_allows_no_skip() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert [package for package in DEBIAN.values() if package not in script] == []
    assert [program for program in DEBIAN if program not in script] == []
    assert "--no-skips" in script


def test_a_machine_where_nothing_can_be_installed_is_told_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci/run"], env={"PATH": str(tmp_path), "HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "chromium chromedriver promtool" in done.stderr
    assert "apt-get install chromium chromium-driver prometheus" in done.stderr
