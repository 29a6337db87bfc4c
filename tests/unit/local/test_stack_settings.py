"""Every setting is taken wherever it was made; what nothing reads, or does not fit, is refused by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.settings import ServiceSettings, SettingsWrong
from services.cli.run import refuse_unknown
from services.cli.running import without_login
from services.local.roles import SERVICES
from services.local.settings_page import FILE, page
from services.local.stack_settings import (
    DECIDED_HERE,
    FILE_NAME,
    OF_COMMANDS,
    check,
    names,
    ports_of,
    settings_of,
    unknown,
)

FREE = sorted(names() - DECIDED_HERE - OF_COMMANDS)
"""What anybody may set for a stack."""


@pytest.mark.parametrize("name", FREE)
def test_every_setting_is_taken_from_the_environment_the_file_and_a_file_it_names(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_text(f"# mine\n\nexport {name}='from the file'\n")
    found = settings_of(tmp_path, {"PATH": "/bin"})
    assert (found[name].value, found[name].origin) == ("from the file", str(tmp_path / FILE_NAME))
    found = settings_of(tmp_path, {name: "from the environment"})
    assert (found[name].value, found[name].origin) == ("from the environment", "the environment")
    secret = tmp_path / "secret"
    secret.write_text("from a secret\n")
    assert settings_of(tmp_path, {f"{name}_FILE": str(secret)})[name].value == "from a secret"
    with pytest.raises(SettingsWrong, match=f"{name}_FILE: {name} is set beside it"):
        settings_of(tmp_path, {f"{name}_FILE": str(secret), name: "x"})


@given(st.sampled_from(FREE), st.integers(0, 60), st.sampled_from("XQ_"))
def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(
    name: str, at: int, letter: str
) -> None:
    place = len("VICINO_") + at % (len(name) - len("VICINO_"))
    wrong = name[:place] + letter + name[place:]
    [said] = unknown([wrong])
    assert said.startswith(f"{wrong}: no such setting; perhaps VICINO_")


@pytest.mark.parametrize("name", sorted(DECIDED_HERE))
def test_what_a_stack_decides_is_not_taken_from_its_file(name: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(f"{name}=1\n")
    with pytest.raises(SettingsWrong, match=f"{name}: the stack decides it"):
        settings_of(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "why"),
    [("VICINO_SMTP_URL\n", "line 1 is no NAME=value"), ("VICINO_SMTP_URL=a\n\nVICINO_SMTP_URL=b\n", "line 3 is there twice")],
)  # fmt: skip
def test_a_line_that_says_nothing_or_says_it_twice_is_refused(
    text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(SettingsWrong, match=why):
        settings_of(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VICINO_REQUESTS_PER_SECOND", "many"), ("VICINO_LOG_LEVEL", "LOUD"), ("VICINO_POOL_SIZE_MAX", "0"),
        ("VICINO_REFUSED_DAYS", "-1"), ("VICINO_GIVE_UP_AFTER_HOURS", "{"), ("VICINO_INVOICE_GRACE_HOURS", "soon"),
        ("VICINO_SESSION_TIMEOUT_MS", "5"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_before_anything_starts(
    name: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsWrong, match=name):
        check(settings_of(tmp_path, {name: value}))


@pytest.mark.parametrize("value", ["0", "65536", "x", "-1", "8080.0", "８０８０", ""])
def test_a_port_is_a_number_that_a_port_may_be(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match="VICINO_GATEWAY_PORT"):
        ports_of(settings_of(tmp_path, {"VICINO_GATEWAY_PORT": value}))
    assert ports_of(settings_of(tmp_path, {"VICINO_GATEWAY_PORT": "8080"})) == {"gateway": 8080}


def test_a_file_that_cannot_be_read_is_said_and_not_what_it_would_hold(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match="VICINO_SMTP_URL_FILE: cannot read /nowhere"):
        settings_of(tmp_path, {"VICINO_SMTP_URL_FILE": "/nowhere"})


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_refuses_what_nothing_reads_and_takes_what_another_reads(service: str) -> None:
    refuse_unknown(service, dict.fromkeys((*names(), *OF_COMMANDS), "x"))
    with pytest.raises(SettingsWrong, match="VICINO_SMPT_URL: no such setting; perhaps VICINO_SMTP_URL"):  # fmt: skip
        refuse_unknown(service, {"VICINO_SMPT_URL": "x"})


def test_a_services_secret_may_come_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-token-that-is-long-and-random-7f3a\n")
    for name, value in {"POSTGRES_URL": "postgresql://x", "KAFKA_BOOTSTRAP": "x"}.items():
        monkeypatch.setenv(f"VICINO_{name}", value)
    monkeypatch.setenv("VICINO_OPERATOR_TOKEN_FILE", str(secret))
    monkeypatch.setenv(
        "VICINO_KAFKA_CA_FILE", "/etc/ca.pem"
    )  # a setting of its own, not a file of one
    found = ServiceSettings()
    assert found.token() == "a-token-that-is-long-and-random-7f3a"
    assert found.kafka_ca_file == Path("/etc/ca.pem")
    monkeypatch.setenv("VICINO_OPERATOR_TOKEN", "x")
    with pytest.raises(SettingsWrong, match="both set"):
        ServiceSettings()


def test_the_page_of_settings_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_setting_says_what_it_is() -> None:
    undescribed = [line for line in page().splitlines() if line.endswith("|  |")]
    assert undescribed == []


def test_an_address_is_shown_without_its_login() -> None:
    shown = without_login("smtp://me:pass@word@mail.example:587")
    assert shown == "smtp://...@mail.example:587"
    assert without_login(7) == 7
