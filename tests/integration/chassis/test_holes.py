"""Offsets that hold no record, as transactions leave them, are noted; nothing around them is lost or skipped."""

from functools import partial

from aiokafka import AIOKafkaProducer

from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_engine_smoke import MIGRATIONS, beat, heartbeat
from tests.support.running import Running, running, settings_for

TRANSACTIONS, EACH = 4, 3


async def test_holes_between_and_within_slices_are_noted_and_passed(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic_prefix)
    async with producer, running(service) as at_work:
        for n in range(TRANSACTIONS * 2):
            async with producer.transaction():
                for m in range(EACH):
                    event = heartbeat(n * EACH + m)
                    await producer.send_and_wait(
                        topic_prefix + SIGNALS.name, event.encode(), partition=0
                    )
            # The first ones may come in one slice, each of these comes in its own.
            if n >= TRANSACTIONS:
                await at_work.eventually(partial(_reached, at_work, (n + 1) * EACH))
        holes = await at_work.sql(
            "select from_offset, to_offset, reason from ingest_gap order by from_offset"
        )
    step = EACH + 1
    markers = [n * step + EACH for n in range(TRANSACTIONS * 2 - 1)]
    assert [tuple(row) for row in holes] == [(offset, offset, "hole") for offset in markers]


async def _reached(service: Running, wanted: int) -> bool:
    return len(await service.sql("select 1 from effect")) == wanted
