"""Who may do what on a closed Kafka: a login for each service, with the rights that `schemas/topics.py` gives it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # its stub forgets to export some
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from schemas.topics import Topic
from services.chassis.kafka_login import KafkaServers
from services.local.kafka_node import ADMIN
from services.local.roles import SERVICES

TIMEOUT_SECONDS = 30.0
SCRAM_ITERATIONS = 4096
"""The least that Kafka takes. Passwords are random and long: more would only slow each connection down."""

OPERATOR = "operator"
"""The login of people: it sends rejects again, to topics that a service only reads, and looks at dead letters."""


def user_of(who: str, prefix: str = "") -> str:
    """The Kafka user of a service, or of the operator; two stacks on one broker have users of their own."""
    return f"{prefix}vicino-{who}"


def kafka_secret(who: str) -> str:
    """Under what name a home keeps a Kafka user's password."""
    return f"kafka-{who}"


def groups(who: str) -> tuple[str, ...]:
    """The consumer groups of a service, or of the operator."""
    return (who,) if who == OPERATOR else (who, f"{who}-volume")


@dataclass(frozen=True, order=True)
class Right:
    """One thing that a user may do. To read or to write is also to see that it is there."""

    who: str
    operation: str
    resource: str
    name: str


def rights(who: str, topics: Iterable[Topic]) -> set[Right]:
    """What a service may do: read what it reads, write what it writes, in its own groups.

    Who reads a topic also writes to its dead letters. The operator writes to what is read, and reads dead letters.
    """
    found = {Right(who, "read", "group", group) for group in groups(who)}
    for topic in topics:
        if who == OPERATOR:
            found |= {
                Right(who, "write", "topic", topic.name),
                Right(who, "read", "topic", topic.dead_letters),
            }
        if who in topic.readers:
            found |= {
                Right(who, "read", "topic", topic.name),
                Right(who, "write", "topic", topic.dead_letters),
            }
        if who in topic.writers:
            found.add(Right(who, "write", "topic", topic.name))
    return found


def _binding(right: Right, prefix: str) -> AclBinding:
    kind = ResourceType.GROUP if right.resource == "group" else ResourceType.TOPIC
    operation = AclOperation.READ if right.operation == "read" else AclOperation.WRITE
    # Literal: a prefix is but text, and `usage.v1` begins `usage.v10`.
    return AclBinding(
        kind, prefix + right.name, ResourcePatternType.LITERAL, f"User:{user_of(right.who, prefix)}", "*", operation,
        AclPermissionType.ALLOW,
    )  # fmt: skip


def _exactly(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype,
        one.name,
        one.resource_pattern_type,
        one.principal,
        one.host,
        one.operation,
        one.permission_type,
    )


def _all_of(user: str) -> AclBindingFilter:
    anything: Any = (
        None  # its stub wants a text; the library's own word for any name and any host is None
    )
    return AclBindingFilter(
        ResourceType.ANY, anything, ResourcePatternType.ANY, f"User:{user}", anything, AclOperation.ANY,
        AclPermissionType.ANY,
    )  # fmt: skip


def logins_of(
    ports: Mapping[str, int], password: Callable[[str], str]
) -> dict[str, KafkaServers] | None:
    """Every login of a home, by who it is for, from the home's ports and passwords; None when it holds no Kafka."""
    if (port := ports.get("kafka-1")) is None:
        return None
    admin = KafkaServers(f"127.0.0.1:{port}", ADMIN, password(kafka_secret(ADMIN)))
    return {ADMIN: admin} | {
        who: admin.of(user_of(who), password(kafka_secret(who))) for who in (OPERATOR, *SERVICES)
    }


async def remove_access(admin: KafkaServers, whose: Iterable[str], *, prefix: str) -> None:
    """Remove the logins of a prefix and their rights: what we leave on a broker that is not ours."""
    client, users = (
        AdminClient({**admin.librdkafka(), "log_level": 0}),
        [user_of(who, prefix) for who in whose],
    )
    await _done(client.delete_acls([_all_of(user) for user in users]))
    asked: list[Any] = [
        UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in users
    ]
    await _done(client.alter_user_scram_credentials(asked))


async def ensure_access(
    admin: KafkaServers, topics: Iterable[Topic], passwords: Mapping[str, str], *, prefix: str = ""
) -> None:
    """Give each service (and the operator) its login, its rights and no others. Returns once every login is accepted.

    `passwords` are by service. Changes nothing that is right. Raises `KafkaException` when the broker refuses,
    `TimeoutError` when it does not answer.
    """
    client, listed = AdminClient({**admin.librdkafka(), "log_level": 0}), tuple(topics)
    wanted = {_binding(right, prefix) for who in passwords for right in rights(who, listed)}
    asked = [client.describe_acls(_all_of(user_of(who, prefix))) for who in passwords]
    found = {
        one for answer in asked for one in await asyncio.to_thread(answer.result, TIMEOUT_SECONDS)
    }
    if surplus := found - wanted:
        await _done(client.delete_acls([_exactly(one) for one in surplus]))
    if missing := wanted - found:
        await _done(client.create_acls(sorted(missing)))
    # Rights come before logins: Kafka applies changes in order, so a login that works has its rights.
    await ensure_users(
        client, {user_of(who, prefix): password for who, password in passwords.items()}
    )
    logins = [admin.of(user_of(who, prefix), password) for who, password in passwords.items()]
    await asyncio.gather(*(asyncio.to_thread(_accepted, login) for login in logins))


async def ensure_users(client: AdminClient, passwords: Mapping[str, str]) -> None:
    """Make or renew logins; `passwords` are by user. The broker accepts them a moment later."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    await _done(
        client.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(user, info, password.encode())
                for user, password in passwords.items()
            ]
        )
    )


def _accepted(login: KafkaServers) -> None:
    """Wait until the broker accepts a login that was just created. Raises `KafkaException` when it does not in time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            AdminClient({**login.librdkafka(), "log_level": 0}).list_topics(timeout=3)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
        else:
            return


async def _done(futures: "Mapping[Any, Future[Any]]") -> None:
    for future in futures.values():
        await asyncio.to_thread(future.result, TIMEOUT_SECONDS)
