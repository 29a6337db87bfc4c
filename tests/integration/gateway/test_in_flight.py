"""Kafka's answer may be lost at any point, a clock may step back: an order that acts is never refused for it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.orders import OrderPlaced
from schemas.scalars import rfc3339
from services.chassis.producer import Producer
from services.chassis.producer_line import Message
from services.gateway.inbound.in_flight import InFlight
from tests.integration.gateway.world import (
    CONTACT,
    NOW,
    World,
    open_world,
    order,
    order_data,
    usage,
)
from tests.integration.gateway.world import cloud_event as event
from tests.support.databases import fresh_database


@pytest.fixture
async def world(superuser_url: str, bootstrap: str) -> AsyncIterator[World]:
    async with (
        fresh_database(superuser_url) as database,
        open_world(database, bootstrap, f"t{uuid4().hex[:8]}.") as found,
    ):
        yield found


class Lossy:
    """The real producer, behind a way on which messages, or Kafka's answers, are lost."""

    def __init__(self, producer: Producer, messages: bool) -> None:
        self._producer, self._messages = producer, messages

    async def send_all(self, messages: Sequence[Message], timeout_seconds: float) -> None:
        """Lose the message, or the answer to it."""
        if not self._messages:
            await self._producer.send_all(messages, timeout_seconds)
        raise KafkaConnectionError("lost on the way")


@contextmanager
def losing(world: World, messages: bool) -> Any:
    """Lose messages to Kafka, or only its answers."""
    runtime = world.gateway.runtime
    producer = runtime.producer
    runtime.producer = Lossy(producer, messages)
    try:
        yield
    finally:
        runtime.producer = producer


@contextmanager
def crashing_before_the_mark(world: World, _: bool) -> Any:
    """Kafka has answered, the database has not: the order stays in flight."""
    runtime = world.gateway.runtime
    producer, pool = runtime.producer, runtime.pool

    class Pool:
        """No connection is to be had once Kafka has the order."""

        sent = False

        def acquire(self) -> Any:
            if self.sent:
                raise OSError("the database is unavailable")
            return pool.acquire()

    class Sends:
        """Notes that Kafka has it."""

        async def send_all(self, messages: Sequence[Message], timeout_seconds: float) -> None:
            await producer.send_all(messages, timeout_seconds)
            runtime.pool.sent = True

    runtime.producer, runtime.pool = Sends(), Pool()
    try:
        yield
    finally:
        runtime.producer, runtime.pool = producer, pool


POINTS: dict[str, Callable[[World], Any]] = {
    "the message is lost": lambda world: losing(world, messages=True),
    "the answer is lost": lambda world: losing(world, messages=False),
    "the mark is lost": lambda world: crashing_before_the_mark(world, True),
}


async def in_kafka(world: World, id_: str) -> list[bytes]:
    return [
        found.encode() for found in await world.gateway.published(OrderPlaced) if found.id == id_
    ]


async def state(world: World) -> list[tuple[str, bool]]:
    rows = await world.gateway.sql(
        "select state, message is null and key is null as cleared from accepted_order"
    )
    return [(row["state"], row["cleared"]) for row in rows]


@pytest.mark.parametrize("point", POINTS)
async def test_an_order_whose_answer_was_lost_gets_it_when_sent_again_whatever_has_changed(
    world: World, point: str
) -> None:
    data = order_data("A", effective_at=rfc3339(NOW - timedelta(hours=20)))
    sent = event("vicino.order.placed.v1", data, id="o-1")
    with POINTS[point](world):
        answer = await world.post(sent)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert await state(world) == [("sending", False)]
    assert (
        CONTACT["email"].encode()
        not in (await world.gateway.sql("select message from accepted_order"))[0]["message"]
    )
    # The tenant is another's by now, what was ordered is not on sale, and it would take effect too long ago.
    await world.serve("A", "VAR-B")
    await world.gateway.sql("update plan set on_sale = false")
    world.clock.advance(timedelta(days=40))
    first, second = await world.post(sent), await world.post(sent)
    assert (first.status, second.status, first.text == second.text) == (202, 202, True)
    assert await state(world) == [("sent", True)]
    found = await in_kafka(world, "o-1")
    assert (len(set(found)), len(found)) == (1, 1 if point == "the message is lost" else 2)
    other = {**sent, "data": {**data, "reference": "another"}}
    assert "id_reuse" in (await world.post(other)).reasons


@pytest.mark.parametrize("point", POINTS)
async def test_an_order_in_flight_that_nobody_sends_again_is_sent_by_the_gateway_itself(
    world: World, point: str
) -> None:
    sent = order("A", id="o-1")
    with POINTS[point](world):
        assert (await world.post(sent)).status == 503
    in_flight = InFlight(world.gateway.service.settings.key())
    assert await in_flight.send_again(world.gateway.runtime, quiet_seconds=3600) == 0
    assert await in_flight.send_again(world.gateway.runtime, quiet_seconds=0) == 1
    assert await in_flight.send_again(world.gateway.runtime, quiet_seconds=0) == 0
    assert await state(world) == [("sent", True)]
    assert len(set(await in_kafka(world, "o-1"))) == 1
    assert (await world.post(sent)).status == 202


async def test_an_order_in_flight_is_not_marked_while_kafka_does_not_take_it(world: World) -> None:
    with losing(world, messages=True):
        assert (await world.post(order("A", id="o-1"))).status == 503
        in_flight = InFlight(world.gateway.service.settings.key())
        with pytest.raises(KafkaConnectionError):
            await in_flight.send_again(world.gateway.runtime, quiet_seconds=0)
    assert await state(world) == [("sending", False)]


# -- the clock ---------------------------------------------------------------------------------------------------------


def step_back(world: World, **span: float) -> None:
    world.clock._now -= timedelta(**span)


@pytest.mark.parametrize(
    ("minutes", "status"), [(1, 202), (60, 202), (90, 503), (60 * 24 * 40, 503)]
)
async def test_usage_stamped_before_the_clock_stepped_back_is_let_in_or_told_to_wait(
    world: World, minutes: int, status: int
) -> None:
    await world.serve("A", "VAR-A")
    assert (await world.post(usage(world))).status == 202
    step_back(world, minutes=minutes)
    assert (await world.post(usage(world))).status == status
    # What was too far ahead before the step is so after it.
    ahead = usage(world) | {"time": rfc3339(NOW + timedelta(minutes=6))}
    answer = await world.post(ahead)
    assert (answer.status, answer.reasons) == (422, ["time_in_future"])
    world.clock.advance(timedelta(minutes=minutes))
    assert (await world.post(usage(world))).status == 202


async def test_a_gateway_that_starts_after_the_clock_stepped_back_knows_it(
    superuser_url: str, bootstrap: str
) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    async with (
        fresh_database(superuser_url) as database,
        open_world(database, bootstrap, prefix) as world,
    ):
        await world.serve("A", "VAR-A")
        # As another copy, or this one before a restart, has seen it.
        later = NOW + timedelta(minutes=50)
        await world.gateway.sql("update clock_seen set at = $1", later)

        async def is_in() -> bool:
            return (await world.post(usage(world) | {"time": rfc3339(later)})).status == 202

        await world.gateway.eventually(is_in)
        assert (await world.gateway.sql("select at from clock_seen"))[0]["at"] == later
