"""What happens to a log: cut short, eaten by retention, deleted and re-created. Nothing is skipped in silence."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from schemas.alerts import AlertOpened
from schemas.signals import HeartbeatReceived
from schemas.topics import ALERTS, SIGNALS
from services.chassis.admin import ensure_topics
from services.chassis.engine import consumer
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_engine_smoke import beat, heartbeat
from tests.support.deleting import delete_topics
from tests.support.running import Running, running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"


async def probe(database: str, bootstrap: str, prefix: str) -> Service:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, prefix)
    return Service("monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat)))


async def ready(service: Running) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.inside}/readyz") as answer,
    ):
        return answer.status, await answer.text()


async def test_a_log_that_ends_below_what_was_done_stops_the_partition_and_says_so(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    service = await probe(database, bootstrap, topic_prefix)
    async with running(service) as at_work:
        await at_work.publish(*(heartbeat(n) for n in range(50)))
        await at_work.settled()
        await at_work.sql(
            "update consumer_offset set next_offset = next_offset + 1000 where part = 0"
        )
        reader = at_work.process.consumers[0]
        reader._reposition(next(tp for tp in reader._consumer.assignment() if tp.partition == 0))

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
        parts = {
            TopicPartition(topic_prefix + SIGNALS.name, 1): RecordsToDelete(
                before_offset=ends[(SIGNALS.name, 1)]
            )
        }
        await admin.delete_records(parts)
        reader = at_work.process.consumers[0]
        reader._reposition(next(tp for tp in reader._consumer.assignment() if tp.partition == 1))
        gap = await at_work.eventually(
            lambda: at_work.sql("select from_offset, to_offset, reason from ingest_gap")
        )
    await admin.close()
    assert [tuple(row) for row in gap] == [(2, ends[(SIGNALS.name, 1)] - 1, "retention")]


async def recreate(bootstrap: str, prefix: str) -> None:
    """Delete the signals and make them anew: another log under the same name."""
    await delete_topics(bootstrap, [prefix + SIGNALS.name])
    await ensure_topics(bootstrap, [SIGNALS], prefix=prefix)


async def counted(service: Running, n: int) -> bool:
    return bool((await service.sql("select count(*) as n from effect"))[0]["n"] == n)


async def test_a_topic_made_anew_is_read_from_its_beginning_in_all_partitions_at_once(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what the records themselves show.
    monkeypatch.setattr(consumer, "WATCH_EVERY_SECONDS", 1e9)
    service = await probe(database, bootstrap, topic_prefix)
    async with running(service) as at_work:
        await asyncio.sleep(1.5)  # the watch looks once at the beginning
        await at_work.publish(*(heartbeat(n) for n in range(60)))
        await at_work.settled()
        await recreate(bootstrap, topic_prefix)
        await at_work.publish(*(heartbeat(n) for n in range(60, 90)))
        await at_work.eventually(partial(counted, at_work, 90))
        assert (await ready(at_work))[0] == 200


async def test_a_slice_of_a_log_that_is_gone_is_not_taken_for_one_of_its_successor(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    service = await probe(database, bootstrap, topic_prefix)
    async with running(service) as at_work, at_work.runtime.pool.acquire() as db:
        async with db.transaction():
            await db.execute("lock table effect in access exclusive mode")
            await at_work.publish(*(replace(heartbeat(n), subject="one") for n in range(9)))
            waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%effect%'"
            held = await at_work.eventually(partial(at_work.sql, waiting))
            logbook, topic = at_work.process.consumers[0]._logbook, topic_prefix + SIGNALS.name
            before = logbook.known(topic)
            await recreate(bootstrap, topic_prefix)
            await at_work.eventually(lambda: asyncio.sleep(0, logbook.known(topic) != before))
            await at_work.publish(*(replace(heartbeat(n), subject="one") for n in range(100, 105)))
            await at_work.sql("select pg_terminate_backend($1)", held[0]["pid"])

        async def all_of_the_new_log() -> bool:
            return (
                len(
                    await at_work.sql(
                        "select 1 from effect where id >= 'beat-100' and id < 'beat-105'"
                    )
                )
                == 5
            )

        await at_work.eventually(all_of_the_new_log)


async def test_a_topic_that_is_missing_is_told_by_readyz(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    service = await probe(database, bootstrap, topic_prefix)
    table = routes(on(HeartbeatReceived, beat), on(AlertOpened, beat))
    async with running(replace(service, routes=table)) as at_work:
        await delete_topics(bootstrap, [topic_prefix + ALERTS.name])

        async def told() -> bool:
            status, text = await ready(at_work)
            return status == 503 and f"{topic_prefix}{ALERTS.name}: no such topic" in text

        await at_work.eventually(told)
        await ensure_topics(bootstrap, [ALERTS], prefix=topic_prefix)

        async def well() -> bool:
            return (await ready(at_work))[0] == 200

        await at_work.eventually(well)
