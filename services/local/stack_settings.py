"""The settings of a stack on one machine: from the environment, from `settings.env` in its home, secrets also from files.

A name that nothing reads is refused: a misspelt setting would else be lost in silence.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from services.chassis.settings import PREFIX, SettingsWrong, settings_faults
from services.local.environment import WITH_API, known, settings_class
from services.local.roles import SERVICES

FILE_NAME = "settings.env"
OF_COMMANDS = frozenset({
    "VICINO_HOME", "VICINO_KAFKA_LIBS", "VICINO_KAFKA_BOOTSTRAP", "VICINO_KAFKA_USER", "VICINO_KAFKA_PASSWORD",
    "VICINO_KAFKA_MECHANISM", "VICINO_KAFKA_CA_FILE", "VICINO_POSTGRES_URL", "VICINO_TOPIC_PREFIX",
    "VICINO_SUPERUSER_URL", "VICINO_TENANTS_SUPERUSER_URL", "VICINO_PROVISIONING_URL", "VICINO_MASTER_KEY",
    "VICINO_MASTER_KEY_OLD", *(f"{PREFIX}{name.upper()}_{what}" for name in SERVICES for what in ("URL", "PASSWORD")),
    *(f"{PREFIX}{name.upper()}_KAFKA_PASSWORD" for name in (*SERVICES, "operator")), "VICINO_PROVISIONER_PASSWORD",
    "VICINO_FAILPOINT", "VICINO_GATEWAY_API",
})  # fmt: skip
"""What commands read from the environment themselves. A stack passes none of it on: it has its own."""

DECIDED_HERE = frozenset({
    "VICINO_POSTGRES_URL", "VICINO_KAFKA_BOOTSTRAP", "VICINO_KAFKA_USER", "VICINO_KAFKA_PASSWORD",
    "VICINO_KAFKA_MECHANISM", "VICINO_KAFKA_CA_FILE", "VICINO_TOPIC_PREFIX", "VICINO_INSIDE_PORT", "VICINO_HTTP_PORT",
    "VICINO_MASTER_KEY", "VICINO_MASTER_KEY_OLD", "VICINO_INSTANCE", "VICINO_PROVISIONING_URL", "VICINO_CONSOLE_API",
    "VICINO_BILLING_API", "VICINO_GATEWAY_API",
})  # fmt: skip
"""What a stack gives each of its services: it differs from one to the other, or is kept in the home."""

LOOPBACK = "127.0.0.0/8, ::1"
"""Where HTTP back-ends of a stack on one machine are."""

DEFAULTS = {"VICINO_WEBHOOK_ALLOW_PRIVATE": "true", "VICINO_HTTP_DRIVER_ALLOW": LOOPBACK}
"""Where a stack on one machine differs from a service alone, unless somebody says otherwise."""

KEPT_IN_THE_HOME = frozenset({"VICINO_OPERATOR_TOKEN", "VICINO_MASTER_KEY"})
"""Made at random with the first start."""

PORTS = {f"{PREFIX}{name.upper()}_PORT": name for name in WITH_API}
"""Where the API of a service is, of a stack."""

USUAL_PORTS = {"gateway": 8080, "console": 8081, "billing": 8082}
"""Taken by the first stack of a machine; another one, or one beside other programs, finds others."""

_FROM_FILE = "_FILE"


@dataclass(frozen=True, slots=True)
class Given:
    """A setting that somebody made: its value, and where."""

    value: str
    origin: str


def names() -> set[str]:
    """Every setting of every service."""
    return {name for service in SERVICES for name in known(service)}


def secret_names() -> set[str]:
    """The settings that hold secrets."""
    return {
        f"{PREFIX}{field}".upper()
        for service in SERVICES
        for field, about in settings_class(service).model_fields.items()
        if "SecretStr" in str(about.annotation) or field == "postgres_url"
    }


def settings_of(home: Path, environment: Mapping[str, str]) -> dict[str, Given]:
    """The settings that were made for a stack; the environment goes before the file. Raises `SettingsWrong`."""
    own = {
        name: value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in OF_COMMANDS
    }
    sources = [(_read(home / FILE_NAME), str(home / FILE_NAME)), (own, "the environment")]
    found: dict[str, Given] = {}
    wrong: list[str] = []
    for said, origin in sources:
        wrong += unknown(said)
        for name, value in said.items():
            base = _base(name)
            if base in DECIDED_HERE:
                wrong.append(f"{name}: the stack decides it by itself")
            elif base != name and base in said:
                wrong.append(f"{name}: {base} is set beside it")
            else:
                found[base] = Given(_value(name, value), origin)
    if wrong:
        raise SettingsWrong("; ".join(sorted(wrong)))
    return found


def _base(name: str) -> str:
    """The setting that a name is about: `VICINO_OPERATOR_TOKEN_FILE` holds where the token is."""
    return name.removesuffix(_FROM_FILE) if name not in names() else name


def _value(name: str, value: str) -> str:
    if _base(name) == name:
        return value
    try:
        return Path(value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsWrong(f"{name}: cannot read {value}: {type(error).__name__}") from None


def unknown(said: Iterable[str]) -> list[str]:
    """What is wrong with names that nothing reads, each with the one that was perhaps meant."""
    there = names() | OF_COMMANDS | PORTS.keys()
    found = []
    for name in said:
        if name not in there and name.removesuffix(_FROM_FILE) not in there:
            like = difflib.get_close_matches(name, sorted(there), 1)
            perhaps = f"; perhaps {like[0]}" if like else ""
            found.append(f"{name}: no such setting{perhaps}")
    return found


def _read(file: Path) -> dict[str, str]:
    """The lines `NAME=value` of a file; empty when there is none. Raises `SettingsWrong`."""
    if not file.exists():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, is_set, value = text.partition("=")
        if not is_set or name.strip() in found:
            why = "is there twice" if is_set else "is no NAME=value"
            raise SettingsWrong(f"{file}: line {number} {why}")
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


def ports_of(given: Mapping[str, Given]) -> dict[str, int]:
    """The ports that were asked for, by service. Raises `SettingsWrong`."""
    found = {}
    for name, service in PORTS.items():
        if name in given:
            value = given[name].value
            if not (value.isascii() and value.isdigit() and 0 < int(value) < 65_536):
                raise SettingsWrong(f"{name}: a port is a number from 1 to 65535")
            found[service] = int(value)
    return found


def check(given: Mapping[str, Given]) -> None:
    """Whether the values fit their settings, before anything is started. Raises `SettingsWrong`."""
    for service in SERVICES:
        kind = settings_class(service)
        required = {field: "-" for field, about in kind.model_fields.items() if about.is_required()}
        own = {
            field: given[name].value
            for field in kind.model_fields
            if (name := f"{PREFIX}{field}".upper()) in given
        }
        try:
            kind(_env_prefix="NOTHING_OF_THE_ENVIRONMENT_", **(required | own))  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsWrong(settings_faults(error)) from None
