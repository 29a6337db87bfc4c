"""The wheel is whole: what it needs comes with it, and what it installs starts."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path

import pytest

from services.local.roles import SERVICES

ROOT = Path(__file__).parents[2]
# An installation from an empty cache takes minutes on a slow line.
pytestmark = pytest.mark.timeout(600)

START = """
import importlib, json, sys
from services.local.kafka import kafka_libs
from services.onboarding.places import TABLE
from services.local.jars import LOCK
kept = [str(path) for path in (TABLE, LOCK) if path.exists()]
for name in sys.argv[1:]:
    module = importlib.import_module(f"services.{name}.app")
    kept += [str(path) for path in module.MIGRATIONS.glob("*.sql")]
print(json.dumps(kept))
"""


def run(
    command: Sequence[str | Path], where: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VICINO_", "PYTHON"))
    }
    return subprocess.run(
        command,
        cwd=where,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, (
        f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def tracked(*folders: str) -> list[str]:
    listing = run(["git", "ls-files", "--", *folders], ROOT)
    return [name for name in succeeded(listing).splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git tracks, so that no left-over of an earlier build gets in."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
    )
    succeeded(run([sys.executable, "-m", "pip", "wheel", *options, target, "."], source))
    [built] = target.glob("vicino-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that holds the wheel and what it asks for, in the locked versions."""
    place = tmp_path_factory.mktemp("fresh")
    uv = Path(sys.executable).with_name("uv")
    succeeded(run([uv, "venv", "--quiet", "--python", sys.executable, place / "venv"], place))
    command: list[str | Path] = [
        uv, "pip", "install", "--quiet", "--python", place / "venv/bin/python",
        "--constraints", ROOT / "requirements/runtime.lock", wheel,
    ]  # fmt: skip
    # What the cache holds needs no registry.
    if run([*command, "--offline"], place).returncode != 0:
        succeeded(run(command, place))
    return place / "venv/bin"


def _name_and_version(requirement: str) -> str:
    return re.sub(r"\s+", "", requirement).replace('"', "'").lower()


def test_the_wheel_asks_for_everything_that_the_list_of_runtime_needs_names(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        [metadata] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        asked = message_from_bytes(file.read(metadata)).get_all("Requires-Dist") or []
    lines = (ROOT / "requirements/runtime.in").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert len(wanted) > 20
    assert sorted(map(_name_and_version, asked)) == sorted(map(_name_and_version, wanted))


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    assert [name for name in tracked("services", "schemas") if name not in held] == []


def test_vicino_starts_from_a_fresh_environment_and_explains_itself(
    installed: Path, tmp_path: Path
) -> None:
    assert "serve" in succeeded(run([installed / "vicino", "--help"], tmp_path))


@pytest.mark.parametrize("service", SERVICES)
def test_an_installed_service_starts_and_names_the_settings_it_lacks(
    installed: Path, service: str, tmp_path: Path
) -> None:
    done = run([installed / "vicino", "serve", service], tmp_path)
    assert (done.returncode, done.stderr.count("Field required") >= 2) == (1, True), done.stderr
    assert "VICINO_POSTGRES_URL" in done.stderr


def test_an_installed_stack_finds_its_data_in_the_package_and_keeps_its_state_where_it_is_started(
    installed: Path, tmp_path: Path
) -> None:
    found = json.loads(succeeded(run([installed / "python", "-c", START, *SERVICES], tmp_path)))
    assert len(found) >= 2 + len(SERVICES)
    assert all(str(installed.parent) in path for path in found)
    home = "from services.local.home import default_home; print(default_home())"
    assert succeeded(run([installed / "python", "-c", home], tmp_path)).strip() == str(
        tmp_path / ".vicino"
    )
