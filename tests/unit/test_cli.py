"""What a person at the command line may rely on: explained commands, plain refusals, and no secret in them."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from services import __version__
from services.cli import app
from services.local.ports import free_port
from services.onboarding.adapters.http import signing_secrets

ROOT = Path(__file__).parents[2]
KEY = "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMzI="
SECRETS = {"VICINO_MASTER_KEY": KEY, "VICINO_OPERATOR_TOKEN": "t0ken-of-the-test"}
NOTHING = dict.fromkeys(
    (
        "VICINO_POSTGRES_URL",
        "VICINO_KAFKA_BOOTSTRAP",
        "VICINO_PROVISIONING_URL",
        "VICINO_MASTER_KEY_OLD",
    ),
    None,
)


def commands(group: TyperGroup, path: str = "vicino") -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def run(*arguments: str, **environment: str | None) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={**SECRETS, **NOTHING, **environment})
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def test_every_command_and_everything_it_takes_is_explained() -> None:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    found = dict(commands(root))
    assert {"vicino up", "vicino serve", "vicino meters rebuild"} <= found.keys()
    unexplained = {path for path, command in found.items() if not command.help}
    unexplained |= {
        f"{path} {p.name}"
        for path, command in found.items()
        for p in command.params
        if not getattr(p, "help", "")
    }
    assert unexplained == set()


def test_a_service_names_the_settings_it_lacks_and_tells_no_secret() -> None:
    code, said = run(
        "serve", "onboarding", VICINO_POSTGRES_URL="postgresql://u:hunter2@127.0.0.1/x"
    )
    assert (code, "VICINO_KAFKA_BOOTSTRAP: Field required" in said) == (1, True)
    assert "VICINO_PROVISIONING_URL: Field required" in said
    assert [secret for secret in (*SECRETS.values(), "hunter2") if secret in said] == []


@pytest.mark.parametrize("key", ["not base64!", "dG9vIHNob3J0"])
def test_a_master_key_that_is_none_is_refused_in_a_sentence_that_does_not_hold_it(key: str) -> None:
    code, said = run(
        "credentials", "3b2e3c1e-91ba-54c4-a673-608f10b69f7b", VICINO_MASTER_KEY=key, VICINO_PROVISIONING_URL="postgresql://"
    )  # fmt: skip
    assert (code, "VICINO_MASTER_KEY must hold 32 bytes in base64" in said, key in said) == (
        1,
        True,
        False,
    )


def test_a_server_that_is_away_is_told_in_a_line() -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x"
    code, said = run("jobs", "list", "billing", VICINO_POSTGRES_URL=url)
    assert (code, said.startswith("Vicino cannot go on:"), "hunter2" in said) == (1, True, False)


def test_where_no_stack_was_started_there_is_no_dsn(tmp_path: Path) -> None:
    code, said = run("dsn", "billing", "--home", str(tmp_path))
    assert (code, said.startswith("Vicino cannot go on:"), list(tmp_path.iterdir())) == (
        1,
        True,
        [],
    )


def test_the_secrets_of_http_back_ends_follow_from_the_master_key_and_the_one_before_it(
    tmp_path: Path,
) -> None:
    code, said = run("keys", "http-driver")
    assert (code, said) == (0, signing_secrets(b64decode(KEY))[0])
    old = b64encode(bytes(range(32))).decode()
    code, said = run("keys", "http-driver", VICINO_MASTER_KEY_OLD=old)
    assert (code, said.split()) == (
        0,
        [*signing_secrets(b64decode(KEY)), *signing_secrets(bytes(range(32)))],
    )
    code, said = run("keys", "http-driver", "--home", str(tmp_path), VICINO_MASTER_KEY=None)
    assert (code, said.startswith("Vicino cannot go on:"), list(tmp_path.iterdir())) == (
        1,
        True,
        [],
    )


@pytest.mark.parametrize(
    "command", [("list",), ("replay", "--id", "1")], ids=lambda command: command[0]
)
def test_rejects_want_a_database_of_the_service_by_either_name(command: tuple[str, ...]) -> None:
    arguments = ("rejects", command[0], "billing", *command[1:])
    code, said = run(*arguments, VICINO_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (code, "VICINO_POSTGRES_URL or VICINO_BILLING_URL" in said) == (2, True)
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x"
    code, said = run(*arguments, VICINO_KAFKA_BOOTSTRAP="127.0.0.1:1", VICINO_BILLING_URL=url)
    assert (code, said.startswith("Vicino cannot go on:"), "hunter2" in said) == (1, True, False)


def test_the_version_is_the_images() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert run("version") == (0, __version__)
    assert compose["x-service"]["image"] == f"vicino:{__version__}"
