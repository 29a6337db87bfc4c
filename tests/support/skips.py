"""What a run did not test, said at its end: which tests, why, and what to install. With `--no-skips` that is a failure.

Tests that ask for a program do so here, so that every reason names its package. What only root, or only an ordinary user,
can try is a skip that is allowed: one run cannot be both.
"""

import shutil
from collections import defaultdict

import pytest

DEBIAN = {
    "chromium": "chromium", "chromedriver": "chromium-driver", "promtool": "prometheus",
    "node": "nodejs", "npm": "npm", "go": "golang-go",
}  # fmt: skip
"""Programs that tests need and Python's registries do not have, with the Debian package of each."""

ROOT, ORDINARY = "needs root: ", "needs an ordinary user: "


def installed(*programs: str) -> list[str]:
    """The paths of programs; skips the test when one is missing, with how to install it."""
    found = {program: shutil.which(program) for program in programs}
    if missing := [program for program, path in found.items() if path is None]:
        packages = " ".join(DEBIAN[program] for program in programs)
        pytest.skip(f"{', '.join(missing)} missing: apt-get install {packages}")
    return [path for path in found.values() if path is not None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of runs that must be complete."""
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skipped test fails the run, unless it needs another user",
    )


def _skipped(config: pytest.Config) -> dict[str, list[str]]:
    """The tests that were skipped, by reason. Empty in a worker: their controller reports."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found: dict[str, list[str]] = defaultdict(list)
    for report in reporter.stats.get("skipped", []) if reporter else []:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        found[why.removeprefix("Skipped: ")].append(report.nodeid)
    return found


def _not_allowed(config: pytest.Config) -> list[str]:
    return [why for why in _skipped(config) if not why.startswith((ROOT, ORDINARY))]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that had to be complete and was not."""
    if (
        session.config.getoption("--no-skips")
        and session.exitstatus == 0
        and _not_allowed(session.config)
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was not tested."""
    skipped = _skipped(config)
    if not skipped:
        return
    terminalreporter.section("not tested")
    for why, tests in sorted(skipped.items()):
        terminalreporter.line(f"{len(tests)} skipped: {why}")
        for test in tests:
            terminalreporter.line(f"    {test}")
    if config.getoption("--no-skips") and (reasons := _not_allowed(config)):
        terminalreporter.line(
            f"this run had to be complete (--no-skips): {len(reasons)} reasons above fail it"
        )
