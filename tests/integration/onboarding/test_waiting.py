"""An order waits for a back-end that is unavailable, for a day and not for seconds; whoever waits for the order can see it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from schemas import identity
from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.tenants import (
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    TenantActivated,
)
from services.chassis.jobs import GIVE_UP_AFTER
from services.chassis.rejects import jobs_in
from services.chassis.settings import SettingsWrong
from services.onboarding.adapters.http import FINAL
from services.onboarding.app import OnboardingSettings, build
from tests.integration.onboarding.scenario import (
    NEAR,
    Scenario,
    event,
    opened,
    order,
    places_taken,
    shared_scenario,
)
from tests.support.servers import Addresses

BEFORE_THE_END = GIVE_UP_AFTER - timedelta(minutes=1)
RETRIED = [401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504]


async def advance(scenario: Scenario, until: timedelta, step: timedelta) -> None:
    """Let the clock run, so that every attempt due on the way is made."""
    end = scenario.clock.now() + until
    while scenario.clock.now() < end:
        scenario.clock.advance(min(step, end - scenario.clock.now()))
        await scenario.service.settled()


@pytest.fixture
async def street(scenario: Scenario) -> Scenario:
    """With a reseller that has room."""
    await scenario.know(NEAR)
    return scenario


@pytest.fixture(scope="module")
async def shared_street(addresses: Addresses) -> AsyncIterator[Scenario]:
    async with shared_scenario(addresses) as found:
        await found.know(NEAR)
        yield found


async def of_firm(scenario: Scenario, placed: Event[Any], kind: Any) -> list[Any]:
    """Facts of a kind about the firm that ordered."""
    return [
        fact for fact in await scenario.service.published(kind) if fact.subject == placed.subject
    ]


def change(placed: Event[Any]) -> Event[Any]:
    """A change of the service that an order makes."""
    service_id = identity.service_id(identity.order_id(placed.subject, placed.source, placed.id), 0)
    items = [{"action": "change", "service_id": service_id, "quantities": {"mailbox": "7"}}]
    data = OrderPlaced.model_validate({"reference": "C1", "items": items})
    return event(placed.subject, data, "change-1", 2)


async def attempts(scenario: Scenario, tenant_id: str, until: timedelta) -> list[float]:
    """When a back-end was asked, in seconds since the first time."""
    start, seen, found = scenario.clock.now(), 0, []
    while scenario.clock.now() - start < until:
        if scenario.backend.calls[tenant_id] > seen:
            seen = scenario.backend.calls[tenant_id]
            found.append((scenario.clock.now() - start).total_seconds())
        (row,) = await scenario.service.sql(
            "select min(run_at) as next from job where state = 'waiting'"
        )
        scenario.clock.set(row["next"])
        await scenario.service.settled()
    return found


async def test_a_back_end_is_asked_after_1_2_5_15_and_60_seconds_then_every_five_minutes(
    street: Scenario,
) -> None:
    placed = order("F1", 0, "MAIL-STD")
    street.backend.broken_for[placed.subject] = 503
    await street.service.publish(placed)
    await street.service.settled()
    found = await attempts(street, placed.subject, timedelta(minutes=20))
    waits = [after - before for before, after in pairwise(found)]
    for wait, expected in zip(waits, [1, 2, 5, 15, 60, 300, 300], strict=False):
        assert expected <= wait <= expected * 1.1, f"waits of {waits}"


@pytest.mark.parametrize("status", RETRIED)
async def test_an_order_outlives_a_back_end_that_is_unavailable_for_a_day(
    shared_street: Scenario, status: int
) -> None:
    street, placed = shared_street, order(f"F{status}", 0, "MAIL-STD")
    street.backend.broken_for[placed.subject] = status
    await street.service.publish(placed)
    await street.service.settled()
    await advance(street, BEFORE_THE_END, timedelta(hours=4))
    assert await of_firm(street, placed, OrderFailed) == []
    street.backend.broken_for.clear()
    await advance(street, timedelta(minutes=10), timedelta(minutes=10))
    assert len(await of_firm(street, placed, ServiceActivated)) == 1
    assert len(await of_firm(street, placed, OrderCompleted)) == 1


@pytest.mark.parametrize("status", FINAL)
async def test_what_would_get_the_same_answer_again_is_not_asked_again(
    shared_street: Scenario, status: int
) -> None:
    street, placed = shared_street, order(f"F{status}", 0, "MAIL-STD")
    street.backend.broken_for[placed.subject] = status
    await street.service.publish(placed)
    await street.service.settled()
    assert street.backend.calls[placed.subject] == 1
    (failed,) = await of_firm(street, placed, OrderFailed)
    assert str(status) in failed.data.explanation


async def test_after_a_day_the_order_fails_and_nothing_is_left(street: Scenario) -> None:
    placed = order("F1", 0, "MAIL-STD")
    street.backend.broken_for[placed.subject] = 503
    await street.service.publish(placed)
    await street.service.settled()
    await advance(street, GIVE_UP_AFTER + timedelta(minutes=6), timedelta(hours=1))
    (failed,) = await street.service.published(ProvisioningFailed)
    assert failed.data.attempts == street.backend.calls[placed.subject] > 5
    assert "503" in failed.data.explanation
    assert await street.leftovers(failed.data.service_id) == 0
    assert await street.service.published(TenantActivated) == []
    assert await places_taken(street) == (0, 0)


async def test_a_change_waits_for_its_back_end_as_long_as_a_new_service_does(
    street: Scenario,
) -> None:
    placed = order("F1", 0, "MAIL-STD")
    await street.service.publish(placed)
    await street.service.settled()
    street.backend.broken_for[placed.subject] = 503
    await street.service.publish(change(placed))
    await street.service.settled()
    await advance(street, BEFORE_THE_END, timedelta(hours=4))
    assert await street.service.published(OrderFailed) == []
    street.backend.broken_for.clear()
    await advance(street, timedelta(minutes=10), timedelta(minutes=10))
    assert len(await street.service.published(ServiceChanged)) == 1


@pytest.mark.parametrize("what", ["new service", "change"])
async def test_that_an_order_waits_is_told_once_after_a_minute_and_seen_by_the_operator(
    street: Scenario, what: str
) -> None:
    placed = order("F1", 0, "MAIL-STD")
    waiting = placed
    if what == "change":
        await street.service.publish(placed)
        await street.service.settled()
        waiting = change(placed)
    first = street.clock.now()
    street.backend.broken_for[placed.subject] = 503
    await street.service.publish(waiting)
    await street.service.settled()
    await advance(street, timedelta(seconds=50), timedelta(seconds=5))
    assert await street.service.published(OrderDelayed) == []
    await advance(street, timedelta(hours=2), timedelta(minutes=10))
    (told,) = await street.service.published(OrderDelayed)
    assert told.data.reference == waiting.data.reference
    assert told.data.reseller_id == NEAR["id"]
    assert told.data.since == first
    assert told.data.gives_up_at == first + GIVE_UP_AFTER
    assert "503" in told.data.explanation
    settings = street.service.service.settings
    columns = ("id", "kind", "key", "calls", "failing_since", "run_at", "attempt", "last_error")
    (listed,) = await jobs_in(settings.postgres_url, "onboarding", "failing", 10)
    shown = dict(zip(columns, listed, strict=True))
    (item,) = await street.service.sql(
        "select service_id, order_id from order_item where state = 'pending'"
    )
    assert item["order_id" if what == "change" else "service_id"] in shown["key"]
    assert "http" in shown["calls"]
    assert shown["failing_since"] == first
    assert "503" in shown["last_error"]


@pytest.mark.parametrize("what", ["new service", "change"])
async def test_the_time_to_give_up_is_set_by_driver(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str, what: str
) -> None:
    placed = order("F1", 0, "MAIL-STD")
    # A change goes through all drivers of its plan: the most patient one decides.
    hours = {"http": 2, "postgres": 1}
    async with opened(
        database, bootstrap, superuser_url, topic_prefix, give_up_after_hours=hours
    ) as scenario:
        await scenario.know(NEAR)
        waiting = placed
        if what == "change":
            await scenario.service.publish(placed)
            await scenario.service.settled()
            waiting = change(placed)
        scenario.backend.broken_for[placed.subject] = 503
        await scenario.service.publish(waiting)
        await scenario.service.settled()
        await advance(scenario, timedelta(minutes=119), timedelta(minutes=10))
        assert await scenario.service.published(OrderFailed) == []
        await advance(scenario, timedelta(minutes=10), timedelta(minutes=10))
        assert [fact.data.reference for fact in await scenario.service.published(OrderFailed)] == [
            waiting.data.reference
        ]


def test_a_time_to_give_up_of_a_driver_that_there_is_not_is_refused_at_start() -> None:
    settings = OnboardingSettings(
        postgres_url="", kafka_bootstrap="", provisioning_url=SecretStr("postgresql://"),
        master_key=SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), give_up_after_hours={"htp": 72},
    )  # fmt: skip
    with pytest.raises(SettingsWrong, match="htp"):
        build(settings)
