"""What must be found nowhere: secrets in events and logs, people in events."""

import asyncio
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

import schemas.events  # noqa: F401 - loads every payload into the registry that events are read with
from schemas.envelope import decode
from schemas.orders import OrderPlaced
from schemas.topics import TOPICS
from services.chassis.kafka_login import KafkaServers
from services.gateway.principals.contacts import Contacts, place_of
from services.gateway.principals.sealed import tenant_key
from services.local.access import OPERATOR, kafka_secret
from services.local.demo.stage import Stage
from services.local.demo.world import PARTIES
from services.local.kafka_node import ADMIN
from services.local.roles import SERVICES
from services.onboarding.domain.credentials import derive


def key_bytes(master_key: str) -> bytes:
    """The master key's bytes."""
    return b64decode(master_key)


async def secrets(stage: Stage) -> None:
    """Nothing secret is in any event or log, and people are named in no event."""
    expect, stack = stage.expect, stage.stack
    master = key_bytes(stack.master_key)
    hidden = [derive(master, service.service_id).password for service in await stage.services()]
    hidden += [key.split(".")[1] for key in stage.keys.values()]
    hidden += [secret.removeprefix("whsec_") for secret in stage.receivers.secrets.values()]
    hidden += [
        stack.master_key,
        stack.operator_token,
        unquote(urlsplit(stack.superuser_url).password or ""),
    ]
    hidden += [stack.home.password(kafka_secret(who)) for who in (ADMIN, OPERATOR, *SERVICES)]
    people = [
        party["contact"][field]
        for party in PARTIES["resellers"] + PARTIES["tenants"]
        for field in ("name", "email")
    ]
    told = await topics(stack.kafka_admin, stack.topic_prefix)
    everything = b"".join(value for values in told.values() for value in values)
    logs = b"".join(path.read_bytes() for path in (stack.home.path / "logs").glob("*.log"))
    expect.that("all topics were read", len(everything) > 1_000_000, len(everything))
    expect.that("every part has written a log", len(logs) > 1_000, len(logs))
    expect.equal(
        "no secret is in any event", sum(secret.encode() in everything for secret in hidden), 0
    )
    expect.equal("no secret is in any log", sum(secret.encode() in logs for secret in hidden), 0)
    expect.equal(
        "no person is named in any event", sum(one.encode() in everything for one in people), 0
    )
    wanted = {tenant["external_id"]: tenant["contact"] for tenant in PARTIES["tenants"]}
    expect.equal(
        "every firm's contact travels sealed in its order",
        await sealed_contacts(stage, told),
        wanted,
    )


async def sealed_contacts(
    stage: Stage, told: Mapping[str, Iterable[bytes]]
) -> dict[str, dict[str, Any]]:
    """The contacts that orders carry, by firm, opened with the tenants' keys."""
    opener = Contacts(key_bytes(stage.stack.master_key))
    connection = await asyncpg.connect(stage.stack.url_of("gateway"))
    rows = await connection.fetch("select tenant_id, sealed_key from gateway.tenant_key")
    await connection.close()
    keys = {
        row["tenant_id"]: opener.persons(row["sealed_key"], tenant_key(row["tenant_id"]))
        for row in rows
    }
    contacts: dict[str, dict[str, Any]] = {}
    for event in map(decode, told["orders.v1"]):
        if (
            isinstance(event.data, OrderPlaced)
            and event.data.tenant is not None
            and event.sealed is not None
        ):
            said = keys[event.subject].open(b64decode(event.sealed), place_of(event))
            contacts[event.data.tenant.external_id] = {
                name: said.get(f"/tenant/contact/{name}") for name in ("name", "phone", "email")
            }
    return contacts


async def topics(kafka: KafkaServers, prefix: str) -> dict[str, list[bytes]]:
    """All values of all topics and their dead letters."""
    consumer = AIOKafkaConsumer(
        **kafka.aiokafka(), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [
            TopicPartition(prefix + topic.name, n)
            for topic in TOPICS
            for n in range(topic.partitions)
        ]
        parts += [TopicPartition(prefix + topic.dead_letters, 0) for topic in TOPICS]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning()
        found: dict[str, list[bytes]] = {tp.topic.removeprefix(prefix): [] for tp in parts}
        waiting = {tp for tp in parts if ends[tp] > 0}
        async with asyncio.timeout(30):
            while waiting:
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.topic.removeprefix(prefix)] += [
                        record.value or b"" for record in records
                    ]
                    if records[-1].offset + 1 >= ends[tp]:
                        waiting.discard(tp)
        return found
    finally:
        await consumer.stop()
