"""The way out: in order per subject, whatever fails in between; nothing gets stuck in front of the rest."""

import asyncio
import os
from collections import defaultdict
from functools import partial
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from confluent_kafka.admin import (  # type: ignore[attr-defined] # its stub forgets to export some
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.envelope import decode
from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.engine.records import on, routes
from services.chassis.outbox import Relay
from services.chassis.pending import FACT_BYTES_MAX, Fact, FactTooLarge
from services.chassis.producer import Producer
from services.chassis.rejects import CannotReplay, replay
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.wakeups import Wakeups
from tests.integration.chassis.test_engine_smoke import MIGRATIONS, beat, heartbeat
from tests.support.before import home_of_before, upgraded
from tests.support.running import Running, read_topic, running, settings_for

SUBJECTS = 7


async def say(at_work: Running, begin: int, end: int) -> None:
    """Facts whose service id counts up."""
    async with at_work.runtime.unit(f"say {begin}") as unit:
        for n in range(begin, end):
            unit.publish(
                HeartbeatReceived(service_id=str(UUID(int=n))), subject=f"tenant-{n % SUBJECTS}"
            )


async def said(bootstrap: str, topic: str) -> dict[str, list[int]]:
    """What arrived for each subject, in order; what was sent again counts where it came first."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for event in map(decode, await read_topic(bootstrap, topic)):
        assert isinstance(event.data, HeartbeatReceived)
        found[event.subject][UUID(event.data.service_id).int] = None
    return {subject: list(numbers) for subject, numbers in found.items()}


def in_order(n: int) -> dict[str, list[int]]:
    return {f"tenant-{subject}": list(range(subject, n, SUBJECTS)) for subject in range(SUBJECTS)}


async def silent(database: str, bootstrap: str, prefix: str) -> Service:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, prefix)
    return Service("monitoring", settings, MIGRATIONS)


async def limit(bootstrap: str, topic: str, size: int) -> None:
    """Change what Kafka takes at once on a topic."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    changed = admin.incremental_alter_configs([resource])
    await asyncio.to_thread(changed[resource].result, 20)


async def test_two_relays_at_once_send_everything_in_order(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with running(await silent(database, bootstrap, topic_prefix)) as at_work:
        settings, runtime = at_work.service.settings, at_work.runtime
        wakeups = Wakeups(settings.postgres_url, "monitoring", ("outbox",))
        producer = Producer(bootstrap, topic_prefix, "other")
        other = asyncio.create_task(Relay(runtime.pool, producer, wakeups).run())
        for begin in range(0, 3000, 100):
            await say(at_work, begin, begin + 100)
        await at_work.settled()
        other.cancel()
        await producer.stop()
        assert await said(bootstrap, topic_prefix + SIGNALS.name) == in_order(3000)


async def test_what_kafka_refuses_for_a_while_goes_out_in_order_afterwards(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with running(await silent(database, bootstrap, topic_prefix)) as at_work:
        topic = topic_prefix + SIGNALS.name
        await say(at_work, 0, 10)
        await at_work.settled()
        await limit(bootstrap, topic, 600)
        n = 10
        while not await at_work.sql(
            "select 1 from outbox where created_at < now() - interval '1 second'"
        ):
            await say(at_work, n, n + 100)
            n += 100
            await asyncio.sleep(0.1)  # a broker takes its time to hear of a limit
        await limit(bootstrap, topic, 1_048_588)
        await at_work.settled()
        assert await said(bootstrap, topic) == in_order(n)


async def test_a_door_can_send_again_after_kafka_refused_a_message(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with running(await silent(database, bootstrap, topic_prefix)) as at_work:
        producer = at_work.runtime.producer
        await producer.send(SIGNALS.name, b"k", b"first")
        await limit(bootstrap, topic_prefix + SIGNALS.name, 2_000)

        async def refused() -> bool:
            try:
                await producer.send(SIGNALS.name, b"k", os.urandom(20_000))
            except MessageSizeTooLargeError:
                return True
            return False

        await at_work.eventually(refused)  # a broker takes its time to hear of a limit
        for _ in range(2):
            await producer.send(SIGNALS.name, b"k", b"next")


def test_a_fact_larger_than_kafka_takes_is_refused_when_it_is_said() -> None:
    with pytest.raises(FactTooLarge):
        Fact(uuid4(), SIGNALS.name, "tenant-1", "t", b"key", bytes(FACT_BYTES_MAX))


async def test_a_reject_with_a_huge_key_does_not_stand_in_the_way_of_other_facts(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    packed = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="zstd", max_request_size=2**24
    )
    async with packed, running(service) as at_work:
        await packed.send_and_wait(topic_prefix + SIGNALS.name, b"not json", key=bytes(3_000_000))
        await at_work.settled()
        (mirrored,) = await read_topic(bootstrap, topic_prefix + SIGNALS.dead_letters)
        kept = await at_work.sql("select id, octet_length(key) as n from reject")
        assert (mirrored, kept[0]["n"]) == (b"not json", 3_000_000)
        with pytest.raises(CannotReplay, match=f"reject {kept[0]['id']} "):
            await replay(
                settings.postgres_url, "monitoring", [kept[0]["id"]], None, bootstrap, topic_prefix
            )


async def test_a_reject_is_sent_again_whole_with_its_headers(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    plain = AIOKafkaProducer(bootstrap_servers=bootstrap)
    headers = [("ce_id", b"7"), ("empty", None), ("binary", b"\xff\xfe")]
    async with plain, running(service) as at_work:
        await plain.send_and_wait(
            topic_prefix + SIGNALS.name, b"not json", key=b"k", headers=headers
        )
        first = await at_work.eventually(partial(at_work.sql, "select id from reject"))
        sent = await replay(
            settings.postgres_url, "monitoring", [first[0]["id"]], None, bootstrap, topic_prefix
        )
        assert sent == 1
        await at_work.settled()
        both = await at_work.sql("select key, raw, headers from reject order by id")
        assert len(both) == 2
        assert both[0] == both[1]
        await at_work.publish(heartbeat(1))
        await at_work.settled()


async def test_a_reject_that_an_earlier_version_was_about_to_send_again_is_a_reject_and_holds_up_no_fact(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    """A service may no longer write to what it reads: such a row in the outbox would stop all facts behind it."""
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    row = "('signals.v1', 0, 'log', $1, 'bad_data', '', $2, now())"
    async with home_of_before("monitoring", settings) as db:
        for offset, raw in enumerate((b"waits", b"left long ago")):
            await db.execute(
                f'insert into reject (topic, part, log_id, "offset", reason, detail, raw, replayed_at) values {row}',
                offset,
                raw,
            )
        for kind, topic, payload in (
            ("replay", "signals.v1", b"waits"),
            ("vicino.x.v1", "alerts.v1", b"a fact"),
        ):
            await db.execute(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) values ($1, $2, '', $3, $4)",
                uuid4(), topic, kind, payload,
            )  # fmt: skip
    async with upgraded("monitoring", settings) as db:
        assert [row["payload"] for row in await db.fetch("select payload from outbox")] == [
            b"a fact"
        ]
        found = await db.fetch(
            'select raw, replayed_at is null as waits from reject order by "offset"'
        )
        assert [tuple(row) for row in found] == [(b"waits", True), (b"left long ago", False)]
