"""On a closed Kafka each login does what `schemas/topics.py` gives it, and nothing else: every login, every topic, every act."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateTopicsRequest
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import (  # type: ignore[attr-defined] # its stub forgets to export some
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from schemas.topics import ORDERS, TOPICS, USAGE, Topic
from services.chassis.admin import ensure_topics
from services.chassis.kafka_login import KafkaServers
from services.local.access import OPERATOR, ensure_access, groups, remove_access, user_of
from services.local.kafka import Kafka
from services.local.kafka_node import ADMIN
from services.local.roles import SERVICES
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
LOGINS = (*SERVICES, OPERATOR)
NAMES = {name: topic for topic in TOPICS for name in (topic.name, topic.dead_letters)}
GROUPS = [group for who in LOGINS for group in groups(who)] + ["desk", "vicino-gateway"]
STEP_SECONDS = 30.0


def due(who: str, name: str) -> set[str]:
    """What `schemas/topics.py` means for a login: who reads a topic also sets aside what it cannot act on."""
    topic = NAMES[name]
    if name == topic.dead_letters:
        found = {"write"} if who in topic.readers else {"read"} if who == OPERATOR else set()
    else:
        found = {"read"} if who in topic.readers else set()
        # Contacts send rejects again, to the topic they came from.
        found |= {"write"} if who in topic.writers or who == OPERATOR else set()
    return found | {"describe"} if found else set()


@dataclass
class Closed:
    """A closed broker with a login for each service and for people."""

    kafka: Kafka
    passwords: dict[str, str]
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def login(self, who: str, password: str = "") -> KafkaServers:
        return self.kafka.admin.of(user_of(who), password or self.passwords[who])


@pytest.fixture(scope="module")
async def closed() -> AsyncIterator[Closed]:
    with tempfile.TemporaryDirectory(prefix="vicino-access-", ignore_cleanup_errors=True) as folder:
        kafka = await Kafka.start(Path(folder) / "kafka", password=secrets.token_urlsafe(16))
        passwords = {who: secrets.token_urlsafe(16) for who in LOGINS}
        await ensure_topics(kafka.admin, TOPICS)
        for _ in range(2):  # it runs at every start, and changes nothing that is right
            await ensure_access(kafka.admin, TOPICS, passwords)
        made = Closed(kafka, passwords)
        async with AsyncExitStack() as life:
            life.push_async_callback(kafka.stop)
            for who in LOGINS:
                made.visitors[who] = Visitor(made.login(who))
                life.push_async_callback(made.visitors[who].stop)
            yield made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", LOGINS)
async def test_a_login_does_with_a_topic_exactly_what_the_list_of_topics_says(
    closed: Closed, who: str, name: str
) -> None:
    visitor = closed.visitors[who]
    assert await visitor.operations(name) == due(who, name)
    assert await visitor.writes(name) == ("write" in due(who, name))
    assert await visitor.reads(name) == ("read" in due(who, name))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("who", LOGINS)
async def test_a_login_is_a_member_of_its_own_groups_alone(
    closed: Closed, who: str, group: str
) -> None:
    visitor, own = closed.visitors[who], group in groups(who)
    readable = next(name for name in NAMES if "read" in due(who, name))
    assert await visitor.group_operations(group) == ({"read", "describe"} if own else set())
    assert await visitor.joins(group, readable) == own


def _grant(user: str) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC, ORDERS.name, ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.ALL,
        AclPermissionType.ALLOW,
    )  # fmt: skip


def _acts(user: str) -> dict[str, Callable[[AdminClient], Any]]:
    anything: Any = None
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    password = UserScramCredentialUpsertion(
        user_of("gateway"), ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"mine now"
    )
    return {
        "make a topic": lambda admin: admin.create_topics([NewTopic(f"of-{user}", 1, 1)]),
        "make a topic that is there": lambda admin: admin.create_topics(
            [NewTopic(ORDERS.name, 1, 1)]
        ),
        "remove a topic": lambda admin: admin.delete_topics([USAGE.name]),
        "add partitions": lambda admin: admin.create_partitions([NewPartitions(USAGE.name, 9)]),
        "remove records": lambda admin: admin.delete_records([Place(ORDERS.name, 0, 1)]),
        "look at a topic's settings": lambda admin: admin.describe_configs(
            [ConfigResource(ConfigResource.Type.TOPIC, ORDERS.name)]
        ),
        "look at the broker's settings": lambda admin: admin.describe_configs(
            [ConfigResource(ConfigResource.Type.BROKER, "1")]
        ),
        "remove another's group": lambda admin: admin.delete_consumer_groups(["desk"]),
        "look at rights": lambda admin: admin.describe_acls(everything),
        "give itself a right": lambda admin: admin.create_acls([_grant(user)]),
        "take rights away": lambda admin: admin.delete_acls([everything]),
        "set another's password": lambda admin: admin.alter_user_scram_credentials([password]),
    }


@pytest.mark.parametrize("act", _acts(""))
@pytest.mark.parametrize("who", LOGINS)
async def test_no_login_administers_anything(closed: Closed, who: str, act: str) -> None:
    assert await closed.visitors[who].is_refused(_acts(user_of(who))[act])


STRANGERS: dict[str, Callable[[Closed], KafkaServers]] = {
    "no login": lambda closed: KafkaServers(closed.kafka.bootstrap),
    "another's password": lambda closed: closed.login("gateway", closed.passwords["billing"]),
    "a user that does not exist": lambda closed: closed.kafka.admin.of("vicino-nobody", "password"),
    "the administrator's name": lambda closed: closed.kafka.admin.of(ADMIN, "password"),
    "the administrator's name, in plain": lambda closed: replace(
        closed.kafka.admin.of(ADMIN, "password"), mechanism="PLAIN"
    ),
    "a service's password, in plain": lambda closed: replace(
        closed.login("gateway"), mechanism="PLAIN"
    ),
}


async def is_let_in(login: KafkaServers) -> bool:
    producer = AIOKafkaProducer(**login.aiokafka(), request_timeout_ms=3000)
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await producer.start()
    except (KafkaError, TimeoutError):
        return False
    finally:
        await producer.stop()
    return True


@pytest.mark.parametrize("how", STRANGERS)
async def test_nobody_else_gets_in(closed: Closed, how: str) -> None:
    assert not await is_let_in(STRANGERS[how](closed))


@pytest.mark.parametrize("port", ["broker", "controller"])
async def test_no_port_takes_a_request_without_a_login(closed: Closed, port: str) -> None:
    number = closed.kafka.ports["kafka-1" if port == "broker" else "kafka-controller-1"]
    password = closed.kafka.admin.password

    async def ask(**login: Any) -> list[int]:
        name = f"from-outside-{uuid4().hex[:8]}"
        connection = await create_conn("127.0.0.1", number, request_timeout_ms=5000, **login)
        try:
            make: Any = CreateTopicsRequest  # it ships no types
            request = make([(name, 1, 1, [], [])], 5000, False)
            answer = await connection.send(request)
            return [code for _, code, *_ in answer.topic_errors]
        finally:
            connection.close()

    plain = {
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": ADMIN,
        "sasl_plain_password": password,
    }
    assert await ask(security_protocol="SASL_PLAINTEXT", **plain) == [
        0
    ]  # the same request, with a login
    with pytest.raises((KafkaError, TimeoutError)):
        async with asyncio.timeout(STEP_SECONDS):
            await ask()


async def test_a_right_that_the_list_of_topics_no_longer_gives_is_taken_away(
    closed: Closed,
) -> None:
    prefix = "later."
    before: list[Topic] = [
        replace(USAGE, writers=("gateway", "console"), readers=("billing", "console"))
    ]
    mine = {who: closed.passwords[who] for who in ("gateway", "billing", "console")}
    await ensure_topics(closed.kafka.admin, before, prefix=prefix)
    await ensure_access(closed.kafka.admin, before, mine, prefix=prefix)
    console = Visitor(closed.kafka.admin.of(user_of("console", prefix), mine["console"]))
    assert await console.operations(prefix + USAGE.name) == {"read", "write", "describe"}
    await ensure_access(closed.kafka.admin, [USAGE], mine, prefix=prefix)
    async with asyncio.timeout(STEP_SECONDS):
        while left := await console.operations(prefix + USAGE.name):
            await asyncio.sleep(0.05)
    assert (left, await console.reads(USAGE.name)) == (set(), False)
    await console.stop()


async def test_a_guest_takes_its_logins_away_and_nobody_elses(closed: Closed) -> None:
    prefix, admin = "guest.", closed.kafka.admin
    await ensure_topics(admin, [USAGE], prefix=prefix)
    await ensure_access(admin, [USAGE], {"gateway": "of the guest"}, prefix=prefix)
    guest = Visitor(admin.of(user_of("gateway", prefix), "of the guest"))
    assert await guest.writes(prefix + USAGE.name)
    assert not await guest.writes(USAGE.name)
    await guest.stop()
    await remove_access(admin, ["gateway"], prefix=prefix)
    async with asyncio.timeout(STEP_SECONDS):  # a broker takes a moment to forget a login
        while await is_let_in(guest.login):
            await asyncio.sleep(0.05)
    assert await closed.visitors["gateway"].writes(USAGE.name)


async def test_what_a_login_may_not_write_is_refused_at_once(closed: Closed) -> None:
    """A relay that is refused says so in its log and its metrics, rather than wait for a time-out."""
    producer = AIOKafkaProducer(
        **closed.login("billing").aiokafka(), acks="all", enable_idempotence=True
    )
    await producer.start()
    with pytest.raises(TopicAuthorizationFailedError):
        async with asyncio.timeout(STEP_SECONDS):
            await producer.send_and_wait(ORDERS.name, b"forged")
    await producer.stop()
