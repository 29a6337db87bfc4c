"""A reseller with a Kafka client of its own: its credentials do what they are for, and nothing else."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # its stub forgets to export some
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from services.local.kafka import Kafka

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]
RESELLERS = ("1", "10")
"""One name is the beginning of the other: to Kafka a prefix is but text."""

INNER = ("orders.v1", "usage.v1")
WAIT_SECONDS = 15.0


async def done(futures: Mapping[Any, "Future[Any]"]) -> None:
    for future in futures.values():
        await asyncio.to_thread(future.result, WAIT_SECONDS)


def allowed(reseller: str) -> list[AclBinding]:
    """What a reseller may do: write its way in, read its way out, in groups of its own."""
    user = f"User:var.{reseller}"

    def acl(
        kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
    ) -> AclBinding:
        return AclBinding(kind, name, pattern, user, "*", operation, AclPermissionType.ALLOW)

    topic, literal = ResourceType.TOPIC, ResourcePatternType.LITERAL
    return [
        acl(topic, f"var.{reseller}.in", literal, AclOperation.WRITE),
        acl(topic, f"var.{reseller}.out", literal, AclOperation.READ),
        # With its final dot: `var.1` would open the groups of `var.10` too.
        acl(
            ResourceType.GROUP, f"var.{reseller}.", ResourcePatternType.PREFIXED, AclOperation.READ
        ),
    ]


class Closed:
    """A broker that is closed, and a user per reseller."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.passwords = {reseller: secrets.token_urlsafe(16) for reseller in RESELLERS}
        self.admin = AdminClient(kafka.login())

    async def prepare(self) -> None:
        topics = [f"var.{reseller}.{way}" for reseller in RESELLERS for way in ("in", "out")]
        await done(self.admin.create_topics([NewTopic(name, 1, 1) for name in (*topics, *INNER)]))
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[Any] = [
            UserScramCredentialUpsertion(f"var.{reseller}", info, password.encode())
            for reseller, password in self.passwords.items()
        ]
        await done(self.admin.alter_user_scram_credentials(users))
        await done(
            self.admin.create_acls([acl for reseller in RESELLERS for acl in allowed(reseller)])
        )

    def login(self, reseller: str) -> dict[str, Any]:
        return self.kafka.login(f"var.{reseller}", self.passwords[reseller])

    async def write(self, login: Mapping[str, Any], topic: str) -> None:
        await asyncio.to_thread(_write, login, topic)

    async def read(self, login: Mapping[str, Any], topic: str, group: str) -> bytes:
        return await asyncio.to_thread(_read, login, topic, group)


def _write(login: Mapping[str, Any], topic: str) -> None:
    told: list[KafkaError | None] = []
    producer = Producer(
        {**login, "enable.idempotence": True, "message.timeout.ms": 8000, "log_level": 0}
    )
    producer.produce(topic, b"hello", on_delivery=lambda error, _: told.append(error))
    producer.flush(WAIT_SECONDS)
    if told[0] is not None:
        raise KafkaException(told[0])


def _read(login: Mapping[str, Any], topic: str, group: str) -> bytes:
    consumer = Consumer(
        {**login, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(WAIT_SECONDS)
        if message is None:
            raise TimeoutError(topic)
        if message.error() is not None:
            raise KafkaException(message.error())
        return message.value() or b""
    finally:
        consumer.close()


@pytest.fixture(scope="module")
async def closed() -> AsyncIterator[Closed]:
    with tempfile.TemporaryDirectory(prefix="vicino-closed-", ignore_cleanup_errors=True) as folder:
        kafka = await Kafka.start(Path(folder) / "kafka", password=secrets.token_urlsafe(16))
        made = Closed(kafka)
        await made.prepare()
        yield made
        await kafka.stop()


def refused(code: int) -> Any:
    """A refusal with this code."""
    return pytest.raises(KafkaException, check=lambda error: error.args[0].code() == code)


async def test_a_reseller_writes_its_way_in_and_reads_its_way_out(closed: Closed) -> None:
    await closed.write(closed.kafka.login(), "var.1.out")
    await closed.write(closed.login("1"), "var.1.in")
    assert await closed.read(closed.login("1"), "var.1.out", "var.1.scenario") == b"hello"


@pytest.mark.parametrize("topic", ["var.10.in", "var.1.out", *INNER, "not.there"])
async def test_it_writes_nowhere_else(closed: Closed, topic: str) -> None:
    with refused(KafkaError.TOPIC_AUTHORIZATION_FAILED):
        await closed.write(closed.login("1"), topic)


@pytest.mark.parametrize("topic", ["var.10.out", "var.1.in", *INNER])
async def test_it_reads_nothing_else(closed: Closed, topic: str) -> None:
    with refused(KafkaError.TOPIC_AUTHORIZATION_FAILED):
        await closed.read(closed.login("1"), topic, "var.1.scenario")


@pytest.mark.parametrize("group", ["var.10.scenario", "billing"])
async def test_it_reads_in_no_group_of_others(closed: Closed, group: str) -> None:
    with refused(KafkaError.GROUP_AUTHORIZATION_FAILED):
        await closed.read(closed.login("1"), "var.1.out", group)


async def test_it_makes_no_topics(closed: Closed) -> None:
    admin = AdminClient(closed.login("1"))
    with refused(KafkaError.TOPIC_AUTHORIZATION_FAILED):
        await done(admin.create_topics([NewTopic("var.1.mine", 1, 1)]))


async def test_nobody_gets_in_with_anothers_password_or_none(closed: Closed) -> None:
    wrong = closed.kafka.login("var.1", closed.passwords["10"])
    for login in (wrong, {"bootstrap.servers": closed.kafka.bootstrap}):
        with refused(KafkaError._MSG_TIMED_OUT):
            await closed.write(login, "var.1.in")
