"""What happens to a log: cut short, eaten by retention. Nothing is skipped in silence."""

from pathlib import Path

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_engine_smoke import beat, heartbeat
from tests.support.running import Running, running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"


async def probe(database: str, bootstrap: str, prefix: str) -> Service:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, prefix)
    return Service("monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat)))


async def ready(service: Running) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/readyz") as answer:
        return answer.status, await answer.text()


async def test_a_log_that_ends_below_what_was_done_stops_the_partition_and_says_so(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    service = await probe(database, bootstrap, topic_prefix)
    async with running(service) as at_work:
        await at_work.publish(*(heartbeat(n) for n in range(50)))
        await at_work.settled()
        await at_work.sql("update consumer_offset set next_offset = next_offset + 1000 where part = 0")
        consumer = at_work.process.consumers[0]
        consumer._reposition(next(tp for tp in consumer._consumer.assignment() if tp.partition == 0))

        async def halted() -> bool:
            status, text = await ready(at_work)
            return status == 503 and "acted on" in text

        await at_work.eventually(halted)


async def test_what_retention_removes_unread_is_recorded_with_its_exact_range(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    service = await probe(database, bootstrap, topic_prefix)
    async with running(service) as at_work:
        await at_work.publish(*(heartbeat(n) for n in range(70)))
        await at_work.settled()
        ends = await at_work.ends([SIGNALS])
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    async with running(service) as at_work:
        await at_work.sql("update consumer_offset set next_offset = 2 where part = 1")
        parts = {TopicPartition(topic_prefix + SIGNALS.name, 1): RecordsToDelete(before_offset=ends[(SIGNALS.name, 1)])}
        await admin.delete_records(parts)
        consumer = at_work.process.consumers[0]
        consumer._reposition(next(tp for tp in consumer._consumer.assignment() if tp.partition == 1))
        gap = await at_work.eventually(lambda: at_work.sql("select from_offset, to_offset, reason from ingest_gap"))
    await admin.close()
    assert [tuple(row) for row in gap] == [(2, ends[(SIGNALS.name, 1)] - 1, "retention")]
