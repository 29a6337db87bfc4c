"""Where Kafka is and how to get in: one description, in the words of each client library."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

SCRAM = "SCRAM-SHA-512"
MECHANISMS = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, SCRAM: SASLScram512}


@dataclass(frozen=True)
class KafkaServers:
    """Brokers. With a `user`, clients log in; with a `ca_file`, they speak TLS and check the brokers' names against it."""

    bootstrap: str
    user: str = ""
    password: str = ""
    mechanism: str = SCRAM
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return (
            f"KafkaServers({self.bootstrap!r}, user={self.user!r}, tls={self.ca_file is not None})"
        )

    def of(self, user: str, password: str) -> "KafkaServers":
        """The same brokers, for another login; by SCRAM, whatever this one uses."""
        return replace(self, user=user, password=password, mechanism=SCRAM)

    @property
    def protocol(self) -> str:
        """Kafka's name for the way in."""
        return ("SASL_" if self.user else "") + ("SSL" if self.ca_file else "PLAINTEXT")

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context; None without TLS. Raises `OSError` for a file that is none of certificates."""
        return ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None

    def aiokafka(self) -> dict[str, Any]:
        """Arguments of an aiokafka client."""
        found: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "security_protocol": self.protocol,
        }
        if self.user:
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return found | ({"ssl_context": self.tls()} if self.ca_file else {})

    def librdkafka(self) -> dict[str, Any]:
        """Settings of a librdkafka client."""
        found: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.protocol,
        }
        if self.user:
            found |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        return found | ({"ssl.ca.location": str(self.ca_file)} if self.ca_file else {})

    def environment(self) -> dict[str, str]:
        """The same as `servers_from` and a service's settings read it from the environment."""
        found = {"VICINO_KAFKA_BOOTSTRAP": self.bootstrap}
        if self.user:
            found |= {
                "VICINO_KAFKA_USER": self.user,
                "VICINO_KAFKA_PASSWORD": self.password,
                "VICINO_KAFKA_MECHANISM": self.mechanism,
            }
        return found | ({"VICINO_KAFKA_CA_FILE": str(self.ca_file)} if self.ca_file else {})

    def properties(self) -> dict[str, str]:
        """The same as a file for Kafka's own tools: `--command-config FILE`."""
        found = {"bootstrap.servers": self.bootstrap, "security.protocol": self.protocol}
        if self.user:
            module = (
                "plain.PlainLoginModule" if self.mechanism == "PLAIN" else "scram.ScramLoginModule"
            )
            given = f'required username="{self.user}" password="{self.password}";'
            found |= {
                "sasl.mechanism": self.mechanism,
                "sasl.jaas.config": f"org.apache.kafka.common.security.{module} {given}",
            }
        tls = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(self.ca_file)}
        return found | (tls if self.ca_file else {})

    def faststream(self) -> BaseSecurity | None:
        """The security of a FastStream broker."""
        if self.user:
            return MECHANISMS[self.mechanism](
                self.user, self.password, ssl_context=self.tls(), use_ssl=bool(self.ca_file)
            )
        return BaseSecurity(ssl_context=self.tls(), use_ssl=True) if self.ca_file else None


def servers_of(kafka: KafkaServers | str) -> KafkaServers:
    """A description, also of brokers of which only the address is named: they are open."""
    return kafka if isinstance(kafka, KafkaServers) else KafkaServers(kafka)


def servers_from(bootstrap: str, environment: Mapping[str, str]) -> KafkaServers:
    """Brokers, and the login that the environment names, as services read it: for commands."""
    ca_file = environment.get("VICINO_KAFKA_CA_FILE")
    return KafkaServers(
        bootstrap,
        environment.get("VICINO_KAFKA_USER", ""),
        environment.get("VICINO_KAFKA_PASSWORD", ""),
        environment.get("VICINO_KAFKA_MECHANISM") or SCRAM,
        Path(ca_file) if ca_file else None,
    )
