"""One description of a way into Kafka says the same to every client library, and a half one is refused."""

import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.chassis.kafka_login import MECHANISMS, KafkaServers
from services.chassis.settings import ServiceSettings, SettingsWrong

CA = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
WAYS = {
    "open": (KafkaServers("a:1,b:2"), "PLAINTEXT"),
    "login": (KafkaServers("a:1", "u", "hunter2"), "SASL_PLAINTEXT"),
    "tls": (KafkaServers("a:1", ca_file=CA), "SSL"),
    "both": (KafkaServers("a:1", "u", "hunter2", ca_file=CA), "SASL_SSL"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_library_is_told_the_same(way: str) -> None:
    servers, protocol = WAYS[way]
    ours, theirs, stream = servers.aiokafka(), servers.librdkafka(), servers.faststream()
    assert ours["security_protocol"] == theirs["security.protocol"] == protocol
    assert (
        ours.get("sasl_plain_password") == theirs.get("sasl.password") == (servers.password or None)
    )
    assert (
        (ours.get("ssl_context") is not None)
        == ("ssl.ca.location" in theirs)
        == (servers.ca_file is not None)
    )
    assert (stream is not None and stream.use_ssl) == (servers.ca_file is not None)
    assert "hunter2" not in repr(servers)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_is_known_to_every_library(mechanism: str) -> None:
    servers = KafkaServers("a:1", "u", "p", mechanism)
    assert (
        servers.aiokafka()["sasl_mechanism"] == servers.librdkafka()["sasl.mechanism"] == mechanism
    )
    assert isinstance(servers.faststream(), MECHANISMS[mechanism])


@pytest.mark.parametrize(
    ("user", "password"), [("u", ""), ("", "p")], ids=["no password", "no user"]
)
def test_half_a_login_is_refused_with_the_names_of_the_settings(user: str, password: str) -> None:
    settings = ServiceSettings(
        postgres_url="",
        kafka_bootstrap="a:1",
        kafka_user=user,
        kafka_password=SecretStr(password) if password else None,
    )
    with pytest.raises(
        SettingsWrong, match="VICINO_KAFKA_USER and VICINO_KAFKA_PASSWORD go together"
    ):
        settings.kafka()
