"""The Kafka of the compose file is closed, and each service gets in there with a login of its own."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from services.chassis.admin import ensure_topics
from services.chassis.kafka_login import KafkaServers, servers_from
from services.local.access import OPERATOR, ensure_access, user_of
from services.local.kafka import Kafka
from services.local.kafka_node import values_of
from services.local.ports import free_port
from services.local.prepare import kafka_passwords
from services.local.roles import SERVICES

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PLACES = {"node.id", "controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
"""What says where a node is; the rest says what it does."""


def filled(text: object) -> str:
    """A value of the compose file, with a value of its own for each variable that it names."""
    return re.sub(
        r"\$\{([A-Z_]+)[^}]*\}", lambda found: uuid5(UUID(int=0), found[1]).hex, str(text)
    )


def environment(service: str) -> dict[str, str]:
    return {
        name: filled(value) for name, value in COMPOSE["services"][service]["environment"].items()
    }


def broker_settings() -> dict[str, str]:
    """The broker's properties, as the image makes them of its environment."""
    given = {
        name: value for name, value in environment("kafka").items() if name.startswith("KAFKA_")
    }
    names = {name: name.removeprefix("KAFKA_").lower().replace("_", ".") for name in given}
    return {
        names[name].replace("...", "-").replace("..", "_"): value.strip()
        for name, value in given.items()
    }


def variables(service: str) -> set[str]:
    values = COMPOSE["services"][service]["environment"].values()
    return {
        name
        for value in values
        for name in re.findall(r"\$\{([A-Z_]+)", str(value))
        if "KAFKA" in name
    }


def test_the_broker_is_closed_as_the_embedded_one_is() -> None:
    found = broker_settings()
    ports = {1: (9092, 9093)}
    password = filled("${KAFKA_ADMIN_PASSWORD}")
    closed = values_of(1, ports, Path("/data"), password)
    opened = values_of(1, ports, Path("/data"), "")
    wanted = {
        name.replace("sasl_plaintext", "clients"): value.replace(
            "SASL_PLAINTEXT:SASL", "CLIENTS:SASL"
        )
        for name, value in closed.items()
        if opened.get(name) != value and name not in PLACES
    }
    wanted["inter.broker.listener.name"] = "CLIENTS"
    mechanisms = "sasl.enabled.mechanisms"
    assert set(found.pop(mechanisms).split(",")) == set(wanted.pop(mechanisms).split(","))
    assert {name: found.get(name) for name in wanted} == wanted
    # The image's own start script wants a file of logins for listeners that are called SASL_….
    assert "SASL_" not in found["listeners"] + found["advertised.listeners"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_login_of_its_own_and_knows_no_other(service: str) -> None:
    given = environment(service)
    assert given["VICINO_KAFKA_USER"] == user_of(service)
    assert variables(service) == {f"VICINO_{service.upper()}_KAFKA_PASSWORD"}


async def test_every_login_of_the_compose_file_gets_into_its_broker_and_nobody_else(
    tmp_path: Path,
) -> None:
    port, controller = free_port(), free_port()
    listeners = {
        "listeners": f"CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
    }
    settings = {
        name: value for name, value in broker_settings().items() if name not in PLACES
    } | listeners
    kafka = await Kafka.start(
        tmp_path / "kafka", ports={"kafka-1": port, "kafka-controller-1": controller}, settings=settings,
        password=filled("${KAFKA_ADMIN_PASSWORD}"),
    )  # fmt: skip
    try:
        prepared = environment("prepare")
        admin = servers_from(kafka.bootstrap, prepared)
        await ensure_topics(admin, TOPICS)
        await ensure_access(admin, TOPICS, kafka_passwords(prepared))
        names = (*SERVICES, "rejects")
        logins = {name: servers_from(kafka.bootstrap, environment(name)) for name in names}
        assert logins["rejects"].user == user_of(OPERATOR)
        for name, login in logins.items():
            await sees(login, due(OPERATOR if name == "rejects" else name))
        with pytest.raises(KafkaException):
            topics_seen(KafkaServers(kafka.bootstrap))
    finally:
        await kafka.stop()


async def sees(login: KafkaServers, expected: set[str]) -> None:
    """A broker answers a change once its controller has it, and lists and allows it a moment later."""
    seen: set[str] = set()
    try:
        async with asyncio.timeout(20):
            while (seen := await asyncio.to_thread(topics_seen, login)) != expected:
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{login.user} sees {sorted(seen)}, expected {sorted(expected)}")


def topics_seen(login: KafkaServers) -> set[str]:
    settings: dict[str, Any] = {**login.librdkafka(), "log_level": 0}
    return {
        name
        for name in AdminClient(settings).list_topics(timeout=10).topics
        if not name.startswith("__")
    }


def due(who: str) -> set[str]:
    """What a login sees: where it may read or write."""
    if who == OPERATOR:
        return {name for topic in TOPICS for name in (topic.name, topic.dead_letters)}
    own = {topic.name for topic in TOPICS if who in (*topic.readers, *topic.writers)}
    return own | {topic.dead_letters for topic in TOPICS if who in topic.readers}
