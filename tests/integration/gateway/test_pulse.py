"""The door says in the log of the signals that it is open, and since when."""

from datetime import UTC, datetime, timedelta
from functools import partial

from schemas.signals import DoorPulsed
from schemas.topics import SIGNALS
from services.chassis.clock import ManualClock
from services.chassis.engine.read_up import partition_of
from services.gateway import metrics
from services.gateway.app import GatewaySettings, build
from tests.integration.gateway.world import open_world, order
from tests.support.databases import refusing
from tests.support.running import Running, running, settings_for

START = datetime(2026, 12, 3, 9, tzinfo=UTC)
EVERY = timedelta(seconds=30)


async def pulses_at(service: Running, at: datetime) -> dict[int, datetime]:
    """Since when the door was open, by partition, as its pulses of an instant say; waits until all are there."""

    async def found() -> dict[int, datetime] | None:
        pulses = [event for event in await service.published(DoorPulsed) if event.time == at]
        by_part = {
            partition_of(event.subject, SIGNALS.partitions): event.data.open_since
            for event in pulses
        }
        return by_part if len(by_part) == SIGNALS.partitions else None

    found_all: dict[int, datetime] = await service.eventually(found)
    return found_all


async def test_the_door_pulses_in_every_partition_and_an_interruption_is_told(
    database: str, superuser_url: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(GatewaySettings, "gateway", database, bootstrap, topic_prefix)
    clock = ManualClock(START)
    async with running(build(settings), clock) as service:
        assert set((await pulses_at(service, START)).values()) == {START}
        clock.advance(EVERY)
        assert set((await pulses_at(service, START + EVERY)).values()) == {START}, (
            "nothing came between"
        )
        failed = metrics.PULSES.labels("failed")._value.get()
        async with refusing(superuser_url, database):
            clock.advance(EVERY)

            async def has_failed() -> bool:
                return bool(metrics.PULSES.labels("failed")._value.get() > failed)

            await service.eventually(has_failed)
        clock.advance(EVERY)
        opened = clock.now()
        assert set((await pulses_at(service, opened)).values()) == {opened}


async def test_an_answer_503_is_an_interruption_too(
    database: str, superuser_url: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_world(database, bootstrap, topic_prefix) as world:
        start = world.clock.now()
        assert set((await pulses_at(world.gateway, start)).values()) == {start}
        async with refusing(superuser_url, database):
            world.clock.advance(timedelta(seconds=5))

            async def status(wanted: int, n: int) -> bool:
                return (await world.post(order("A", id=f"o-{wanted}-{n}"))).status == wanted

            await world.gateway.eventually(partial(status, 503, 0))
        await world.gateway.eventually(partial(status, 202, 0))
        world.clock.advance(EVERY)
        assert set((await pulses_at(world.gateway, world.clock.now())).values()) == {
            world.clock.now()
        }
