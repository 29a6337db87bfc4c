"""A service's life: two may start at once, a stop is quick, and it waits for servers that are not there yet."""

import asyncio
import time
from pathlib import Path

import aiohttp

from schemas.signals import HeartbeatReceived
from services.chassis.engine.records import on, routes
from services.chassis.migrate import migrate
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.local.kafka import Kafka
from tests.integration.chassis.test_engine_smoke import beat, heartbeat
from tests.support.running import running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"
STOP_SECONDS_MAX = 15


async def test_two_copies_may_migrate_at_once(database: str, kafka: Kafka, topic_prefix: str) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, kafka.bootstrap, topic_prefix)
    await asyncio.gather(*(migrate(settings.postgres_url, "monitoring", MIGRATIONS) for _ in range(3)))


async def test_a_stop_in_the_middle_of_work_is_quick_and_loses_nothing(
    database: str, kafka: Kafka, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, kafka.bootstrap, topic_prefix)
    service = Service("monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat)))
    async with running(service) as first:
        await first.publish(*(heartbeat(n) for n in range(3000)))
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS_MAX
    async with running(service) as second:
        await second.settled()
        counted = await second.sql("select count(*) as n, max(n) as most from effect")
    assert tuple(counted[0]) == (3000, 1)


async def test_a_ready_service_shows_its_metrics(database: str, kafka: Kafka, topic_prefix: str) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, kafka.bootstrap, topic_prefix)
    service = Service("monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat)))
    async with running(service) as at_work, aiohttp.ClientSession() as session:
        for path, wanted in (("/healthz", "alive"), ("/readyz", "ready"), ("/metrics", "vicino_engine_slice_seconds")):
            async with session.get(at_work.url + path) as answer:
                assert (answer.status, wanted in await answer.text()) == (200, True)
