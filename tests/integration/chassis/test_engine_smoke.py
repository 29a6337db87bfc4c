"""The engine on the real things: what is written is acted on once."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Unit
from tests.support.running import running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"


async def beat(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """Count beats."""
    await unit.db.execute("insert into effect (id) values ($1)", event.id)


def heartbeat(n: int) -> Event[HeartbeatReceived]:
    return Event(
        f"beat-{n}", "/test", HeartbeatReceived.wire_type, f"tenant-{n % 7}", datetime(2026, 11, 1, tzinfo=UTC),
        HeartbeatReceived(service_id=str(uuid4())),
    )  # fmt: skip


async def test_every_event_acts_once_and_bad_ones_are_kept(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    async with running(service) as service_at_work:
        events = [heartbeat(n) for n in range(200)]
        await service_at_work.publish(*events, *events[:50])
        await service_at_work.send((SIGNALS, b"k", b"not json"), (SIGNALS, b"k", None))
        await service_at_work.settled()
        assert len(await service_at_work.sql("select * from effect")) == 200
        assert len(await service_at_work.sql("select * from reject")) == 2


async def test_a_wait_that_is_not_fulfilled_says_where_the_service_stands(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    async with running(service) as service_at_work:
        await service_at_work.publish(heartbeat(1))
        await service_at_work.settled()

        async def what_never_holds() -> bool:
            return False

        with pytest.raises(
            AssertionError,
            match=r"(?s)what_never_holds did not hold within 0.1 s.*ends: .*consumer_offset: ",
        ):
            await service_at_work.eventually(what_never_holds, 0.1)
