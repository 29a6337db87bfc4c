"""The repository keeps its own promises: pinned, linked, named, and of no particular machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split("\n")
TEXTS = [
    ROOT / name
    for name in FILES
    if name and Path(name).suffix in {".py", ".md", ".toml", ".yml", ".in", ".lock", ".sql", ""}
]
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#]+)(?:#[^)]*)?\)")


def existing() -> list[Path]:
    return [file for file in TEXTS if file.is_file()]


def test_every_dependency_is_pinned_with_a_hash_and_no_registry_is_named() -> None:
    for name in ("runtime", "dev"):
        text = (ROOT / f"requirements/{name}.lock").read_text(encoding="ascii")
        packages = re.findall(r"^[A-Za-z0-9._-]+==[^\s;\\]+.*\\$", text, re.MULTILINE)
        assert len(packages) > 40
        assert len(re.split(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)) - 1 == len(packages)
        assert not re.search(r"https?://", text)


def test_kafkas_jars_are_locked_by_digest() -> None:
    lines = (ROOT / "services/local/kafka-jars.lock").read_text(encoding="ascii").splitlines()
    assert all(
        re.fullmatch(r"[^:\s]+:[^:\s]+:[^:\s]+ sha256:[0-9a-f]{64}", line) for line in lines if line
    )
    assert sum(line.startswith("org.apache.kafka:kafka_2.13:") for line in lines) == 1


def test_no_open_end_is_left_in_the_code() -> None:
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    code = [file for file in existing() if file.suffix == ".py"]
    assert [str(file) for file in code if pattern.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "page", [str(file.relative_to(ROOT)) for file in existing() if file.suffix == ".md"]
)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    file = ROOT / page
    missing = [
        link
        for link in LINK.findall(file.read_text(encoding="utf-8"))
        if not (file.parent / link).exists()
    ]
    assert missing == []


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z%-]*):", text, re.MULTILINE)
    explained = re.findall(r"^([a-z][a-z%-]*):.*## ", text, re.MULTILINE)
    assert sorted(targets) == sorted(explained)


PLACE = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_rule_and_every_test_that_the_index_of_rules_names_exists() -> None:
    named = PLACE.findall((ROOT / "docs/where-is-the-rule.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    assert [f"{file}::{name}" for file, name in named if not _defines(ROOT / file, name)] == []


def _defines(file: Path, name: str) -> bool:
    definition = rf"^(async )?(def|class) {name}\b|^{name}\b[^\n]*="
    return file.is_file() and bool(
        re.search(definition, file.read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_no_public_class_name_stands_twice() -> None:
    """Who searches for a class finds one."""
    found: dict[str, list[str]] = {}
    for path in sorted(
        path for part in ("services", "schemas") for path in (ROOT / part).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_no_test_changes_what_other_tests_share() -> None:
    """Roles of services and settings of the server are shared; servers that are ill-treated are one's own."""
    shared = re.compile(r"alter role (\\\\?\"?)vicino_|alter system|usename = 'vicino_")
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if "faults" not in file.parts and file != Path(__file__):
            found = shared.search(file.read_text(encoding="utf-8"))
            assert found is None, f"{file.relative_to(ROOT)}: {found}"


def test_every_test_gives_a_shared_role_the_one_password() -> None:
    """Who gives a role its password gives it on the whole server: another one shuts out the tests beside it."""
    calls = 0
    for file in sorted((ROOT / "tests").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        local = {
            alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("services.local.")
            for alias in node.names
        }
        giving = local & {"ensure_service", "ensure_provisioner", "tables"}
        for node in nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func) in giving:
                *_, role, password = ("provisioner", *map(ast.unparse, node.args))
                a_role_of_its_own = role.startswith("f'")
                calls += 1
                assert a_role_of_its_own or password == "PASSWORD", (
                    f"{file.relative_to(ROOT)}:{node.lineno}"
                )
    assert calls > 10
