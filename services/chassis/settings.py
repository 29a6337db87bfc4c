"""Settings common to all services, from the environment, prefix `VICINO_`."""

import binascii
import os
from base64 import b64decode
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.chassis.kafka_login import KafkaServers
from services.chassis.sealing import KeyRing
from services.chassis.strength import is_weak_key, weakness

MASTER_KEY_BYTES = 32
PREFIX = "VICINO_"


class SettingsWrong(ValueError):
    """A setting is missing or does not fit; says which, never what it held."""


def settings_faults(error: ValidationError) -> str:
    """Which settings are missing or do not fit, under the names they have in the environment."""
    faults = error.errors(include_input=False, include_url=False)
    names = ["".join(f"{PREFIX}{part}: ".upper() for part in fault["loc"][:1]) for fault in faults]
    return "; ".join(name + fault["msg"] for name, fault in zip(names, faults, strict=True))


def master_key(text: str, name: str = "VICINO_MASTER_KEY") -> bytes:
    """A master key from its base64; `name` is the setting it came in. Raises `SettingsWrong`."""
    try:
        key = b64decode(text, validate=True)
    except binascii.Error:
        raise SettingsWrong(
            f"{name} must hold {MASTER_KEY_BYTES} bytes in base64: this is not base64"
        ) from None
    if len(key) != MASTER_KEY_BYTES:
        raise SettingsWrong(f"{name} must hold {MASTER_KEY_BYTES} bytes in base64, not {len(key)}")
    # An old one may be weak: it is being replaced.
    if name == "VICINO_MASTER_KEY" and is_weak_key(key):
        raise SettingsWrong(
            f"{name} must hold {MASTER_KEY_BYTES} random bytes: these repeat themselves"
        )
    return key


def key_ring(current: bytes, old: str) -> KeyRing:
    """A ring of the current key and an old one in base64; empty: there is none. Raises `SettingsWrong`."""
    return KeyRing(current, (master_key(old, "VICINO_MASTER_KEY_OLD"),) if old else ())


class _FromFiles(PydanticBaseSettingsSource):
    """`VICINO_OPERATOR_TOKEN_FILE` names a file that holds the token, as containers get their secrets; so for any setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What the file of a setting holds; None when there is none. Raises `SettingsWrong`."""
        prefix = str(self.config.get("env_prefix", PREFIX))
        name = f"{prefix}{field_name}".upper()
        place = os.environ.get(f"{name}_FILE")
        if place is None or f"{field_name}_file" in self.settings_cls.model_fields:
            return None, field_name, False
        if name in os.environ:
            raise SettingsWrong(f"{name} and {name}_FILE are both set: unset one")
        try:
            return Path(place).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsWrong(
                f"{name}_FILE: cannot read {place}: {type(error).__name__}"
            ) from None

    def __call__(self) -> dict[str, Any]:
        """Every setting that came in a file."""
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class ServiceSettings(BaseSettings):
    """Where a service finds what it needs. Each service subclasses it for what is its own."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a message about one setting would else show the secrets beside it
    )  # fmt: skip

    postgres_url: str
    """DSN of the service's own role; its schema is named like the service."""
    kafka_bootstrap: str
    """Brokers, with commas between: `host:port`."""
    kafka_user: str = ""
    """The service's own login; empty: the brokers are open."""
    kafka_password: SecretStr | None = None
    """Its password."""
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the login is proven."""
    kafka_ca_file: Path | None = None
    """Certificates that the brokers' own are checked against; with it, every client uses TLS."""
    topic_prefix: str = ""
    """Before every topic and consumer group, on brokers that are shared with others."""
    http_host: str = "127.0.0.1"
    """The address that the API listens at."""
    http_port: int = 8080
    """Where the API is, of a service that has one."""
    inside_host: str = "127.0.0.1"
    """The address of the port for the inside."""
    inside_port: int = Field(default=9464, ge=1, le=65535)
    """Where `/metrics`, `/healthz` and `/readyz` are. They require no key, so this port must not be reachable from outside."""
    http_keep_alive_seconds: int = 620
    """How long a connection may rest between requests: longer than any client or balancer before us lets it rest, since
    whoever closes first may cross a request on its way. nginx and AWS wait 60 s, Go 90 s, Google 600 s."""
    http_connections_max: int = 4096
    """Connections at once; fewer where the system allows fewer open files."""
    http_connections_per_address_max: int = 256
    """Connections at once from one address that is none of the trusted proxies."""
    trusted_proxies: str = ""
    """Addresses or networks of proxies before us, with commas between: only their `X-Forwarded-*` headers are believed."""
    clock_file: Path | None = None
    """A steered clock's file (`chassis/clock.py`); without it, the machine's clock."""
    master_key: SecretStr | None = None
    """32 random bytes in base64, under which persons and secrets are sealed."""
    master_key_old: SecretStr | None = None
    """The key before the current one: it still opens what was sealed under it, until `vicino keys rotate` is through."""
    operator_token: SecretStr | None = None
    """What the operator shows at every API: a long random text."""
    instance: str | None = None
    """Static group membership: a name that this copy keeps over restarts, unique among the copies of a service."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged: this, and what is worse."""
    pool_size_max: int = Field(default=12, ge=2, le=200)
    """Connections to PostgreSQL of one copy, at most."""
    session_timeout_ms: int = Field(default=10_000, ge=6_000, le=300_000)
    """After so long without a sign of life Kafka gives a copy's partitions to others."""
    parked_seconds_max: float = 6 * 3600
    """How long a record waits for what it builds on, before it becomes a reject."""
    refused_days: int = Field(default=35, ge=1, le=400)
    """How long what was refused is kept: rejects, and refusals at the door. As long as usage may come late."""
    slice_records_max: int = 1_000
    """Records of one fetch for record handlers; keeps a slice well under a second."""
    volume_slice_records_max: int = 8_000
    """The same for slice handlers, which cost microseconds per record."""
    volume_gather_ms: int = 100
    """How long slice handlers wait, once all is read, for more to come together."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """The environment, and files that it names."""
        return init_settings, env_settings, _FromFiles(settings_cls)

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.http_port == self.inside_port:
            raise ValueError("VICINO_HTTP_PORT and VICINO_INSIDE_PORT must differ")
        return self

    def key(self) -> bytes:
        """The master key. Raises `SettingsWrong` with what to do when it is absent or has the wrong length."""
        if self.master_key is None:
            raise SettingsWrong("VICINO_MASTER_KEY is not set: give 32 random bytes in base64")
        return master_key(self.master_key.get_secret_value())

    def kafka(self) -> KafkaServers:
        """The brokers, and how to get in. Raises `SettingsWrong` when one half of a login is missing."""
        password = self.kafka_password.get_secret_value() if self.kafka_password else ""
        if bool(self.kafka_user) != bool(password):
            raise SettingsWrong(
                "VICINO_KAFKA_USER and VICINO_KAFKA_PASSWORD go together: one of them is not set"
            )
        return KafkaServers(
            self.kafka_bootstrap,
            self.kafka_user,
            password,
            self.kafka_mechanism,
            self.kafka_ca_file,
        )

    def keys(self) -> KeyRing:
        """The current master key and, while it is replaced, the one before. Raises `SettingsWrong`."""
        return key_ring(
            self.key(), self.master_key_old.get_secret_value() if self.master_key_old else ""
        )

    def token(self) -> str:
        """The operator's token. Raises `SettingsWrong` when it is absent, or can be guessed."""
        if self.operator_token is None:
            raise SettingsWrong("VICINO_OPERATOR_TOKEN is not set: give a long random text")
        token = self.operator_token.get_secret_value()
        if wrong := weakness(token):
            raise SettingsWrong(f"VICINO_OPERATOR_TOKEN {wrong}: give a long random text")
        return token
