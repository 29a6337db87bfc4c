"""Silence is judged by what the log says: what is written and not read yet is no silence, and real silence is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.alerts import AlertOpened
from schemas.catalogue import CataloguePublished
from schemas.envelope import Event
from schemas.signals import DoorPulsed, HeartbeatReceived
from schemas.tenants import ServiceActivated
from schemas.topics import SIGNALS
from services.chassis.clock import ManualClock
from services.chassis.engine.logbook import Logbook
from services.chassis.engine.partition import Partition
from services.chassis.engine.read_up import partition_of
from services.gateway.inbound.pulse import subjects
from services.monitoring.app import MonitoringSettings, build
from services.monitoring.metrics import SILENCE_UNJUDGED
from tests.support.catalogue import CATALOGUE
from tests.support.running import Running, running, settings_for

START = datetime(2026, 12, 3, 9, tzinfo=UTC)
BEAT, LIMIT = timedelta(hours=1), timedelta(minutes=90)
TENANTS = [str(UUID(int=n)) for n in range(1, 41)]
MANY, LOT = 3_000, 500
FOUND_SECONDS = 150.0
"""Thousands of beats are read before: on two busy cores that takes a while."""


def service_of(n: int) -> str:
    return str(UUID(int=1_000 + n))


def tenant_of(n: int) -> str:
    return TENANTS[n % len(TENANTS)]


def said(payload: Any, subject: str, at: datetime) -> Event[Any]:
    return Event(str(uuid4()), "/test", payload.wire_type, subject, at, payload)


def beats(numbers: Any, at: datetime) -> list[Event[Any]]:
    return [said(HeartbeatReceived(service_id=service_of(n)), tenant_of(n), at) for n in numbers]


def pulses(at: datetime, open_since: datetime) -> list[Event[Any]]:
    return [
        said(DoorPulsed(open_since=open_since), subject, at)
        for subject in subjects(SIGNALS.partitions)
    ]


class World:
    """Monitoring that may be started again and again on the same database and topics."""

    def __init__(self, settings: MonitoringSettings) -> None:
        self._settings, self.clock = settings, ManualClock(START)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Running]:
        async with running(build(self._settings), self.clock) as service:
            yield service

    @asynccontextmanager
    async def furnished(self, count: int) -> AsyncIterator[Running]:
        """At work, with so many services that have sent their first beat."""
        async with self.at_work() as service:
            plan = said(
                CataloguePublished.model_validate({"revision": 1, **CATALOGUE}), "catalogue", START
            )
            known = [
                ServiceActivated.model_validate({
                    "service_id": service_of(n), "order_id": TENANTS[0], "item": 0, "sku": "ERP-CLOUD", "quantities": {},
                    "effective_at": START,
                }) for n in range(count)
            ]  # fmt: skip
            await service.publish(plan)
            await service.settled()
            for begin in range(0, count, LOT):
                lot = range(begin, min(count, begin + LOT))
                await service.publish(*(said(known[n], tenant_of(n), START) for n in lot))
                await service.settled()
                await service.publish(*beats(lot, START))
                await service.settled()
            armed = await service.sql("select count(*) as n from job where kind = 'silence'")
            assert armed[0]["n"] == count
            yield service


@pytest.fixture
async def world(database: str, bootstrap: str, topic_prefix: str) -> World:
    return World(
        await settings_for(MonitoringSettings, "monitoring", database, bootstrap, topic_prefix)
    )


async def silent(service: Running) -> set[str]:
    return {event.data.service_id for event in await service.published(AlertOpened)}


async def until_found(service: Running, numbers: set[int]) -> None:
    """Wait until these services, and no others, are found silent."""
    wanted = {service_of(n) for n in numbers}

    async def found() -> bool:
        rows = await service.sql("select service_id from alert")
        return {row["service_id"] for row in rows} >= wanted

    await service.eventually(found, FOUND_SECONDS)
    await service.settled()
    assert await silent(service) == wanted


@pytest.mark.timeout(240)
async def test_after_a_restart_no_service_whose_beats_are_in_the_log_is_taken_for_silent(
    world: World,
) -> None:
    """3,000 services; monitoring is stopped for three hours while all but one go on sending."""
    one = MANY // 2
    async with world.furnished(MANY) as service:
        settings = service.service.settings
    lively = [n for n in range(MANY) if n != one]
    async with _sender(world, settings) as send:
        for hour in (1, 2, 3):
            await send(beats(lively, START + hour * BEAT))
    world.clock.advance(timedelta(hours=3, minutes=5))
    async with world.at_work() as service:
        await until_found(service, {one})


@asynccontextmanager
async def _sender(world: World, settings: Any) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()

    async def send(events: list[Event[Any]]) -> None:
        name = settings.topic_prefix + SIGNALS.name
        await asyncio.gather(
            *[
                await producer.send(name, value=event.encode(), key=event.subject.encode())
                for event in events
            ]
        )

    try:
        yield send
    finally:
        await producer.stop()


@asynccontextmanager
async def held(part: int) -> AsyncIterator[asyncio.Event]:
    """Slices of one partition of the signals wait until the event is set, as behind a large backlog."""
    release, carry = asyncio.Event(), Partition.carry

    async def slowly(self: Partition, piece: Any, *more: Any) -> int:
        if piece.topic is SIGNALS and piece.log.part == part:
            await release.wait()
        return await carry(self, piece, *more)

    with patch.object(Partition, "carry", slowly):
        try:
            yield release
        finally:
            release.set()


async def test_a_partition_that_is_not_read_on_makes_nobody_silent_and_hides_nobody_elsewhere(
    world: World,
) -> None:
    count, part = 80, partition_of(TENANTS[0], SIGNALS.partitions)
    behind = {n for n in range(count) if partition_of(tenant_of(n), SIGNALS.partitions) == part}
    elsewhere = min(set(range(count)) - behind)
    quiet_behind = max(behind)
    async with world.furnished(count) as service, held(part) as release:
        await service.publish(*beats(set(range(count)) - {elsewhere, quiet_behind}, START + BEAT))
        ends = await service.ends([SIGNALS])

        async def others_are_read() -> bool:
            rows = await service.sql(
                "select part, max(next_offset) as n from consumer_offset where topic = $1 group by 1",
                SIGNALS.name,
            )
            done = {row["part"]: row["n"] for row in rows}
            return all(done.get(n) == end for (_, n), end in ends.items() if n != part)

        await service.eventually(others_are_read)
        world.clock.advance(LIMIT + timedelta(minutes=1))

        async def found_elsewhere() -> bool:
            rows = await service.sql("select service_id from alert")
            assert {row["service_id"] for row in rows} <= {service_of(elsewhere)}
            return bool(rows)

        await service.eventually(found_elsewhere)

        async def waits() -> bool:
            return _unjudged("unread") > 0

        await service.eventually(waits)
        assert await silent(service) <= {service_of(elsewhere)}
        release.set()
        await until_found(service, {elsewhere, quiet_behind})
        assert _unjudged("unread") == 0


def _unjudged(reason: str) -> float:
    for family in SILENCE_UNJUDGED.collect():
        for sample in family.samples:
            if sample.labels["reason"] == reason:
                return float(sample.value)
    raise LookupError(reason)


async def test_while_kafka_does_not_say_where_its_logs_end_nobody_is_judged_and_it_shows(
    world: World,
) -> None:
    async def mute(_self: Logbook, _tps: Any) -> dict[TopicPartition, int]:
        raise TimeoutError("no answer")

    async with world.furnished(8) as service:
        with patch.object(Logbook, "ends", mute):
            world.clock.advance(LIMIT + timedelta(minutes=1))

            async def shows() -> bool:
                return _unjudged("unread") > 1

            await service.eventually(shows)
            assert await silent(service) == set()
        await until_found(service, set(range(8)))


async def test_a_door_that_was_closed_makes_nobody_silent_and_real_silence_is_found_after_it_opens(
    world: World,
) -> None:
    """The door is closed from 9:30 to 12:00; one of the services does not go on after that."""
    async with world.furnished(12) as service:
        await service.publish(*pulses(START + timedelta(minutes=30), START - BEAT))
        await service.settled()
        world.clock.advance(timedelta(hours=2))

        async def shows() -> bool:
            return _unjudged("closed") > 0

        await service.eventually(shows)
        assert await silent(service) == set()
        world.clock.advance(timedelta(hours=1))
        opened = world.clock.now()
        await service.publish(*pulses(opened, opened))
        await service.settled()
        assert _unjudged("closed") == 0
        await service.publish(*beats(range(1, 12), opened + timedelta(minutes=20)))
        world.clock.advance(LIMIT + timedelta(minutes=1))
        await service.publish(*pulses(world.clock.now(), opened))
        await until_found(service, {0})


async def test_a_door_that_stays_open_delays_no_judgement_beyond_its_next_pulse(
    world: World,
) -> None:
    async with world.furnished(4) as service:
        world.clock.advance(LIMIT)
        await service.publish(*pulses(world.clock.now(), START - BEAT))
        await until_found(service, set(range(4)))
