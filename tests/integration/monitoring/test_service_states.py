"""Silence is trouble only while a service is active: not while it is suspended, and never after its end."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas.alerts import AlertOpened, AlertResolved
from schemas.signals import HeartbeatReceived
from schemas.tenants import ServiceEnded, ServiceResumed, ServiceSuspended
from tests.integration.monitoring.scenario import SERVICE, Scenario, open_scenario


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        yield found


def suspended(scenario: Scenario, **after: float) -> ServiceSuspended:
    at = scenario.clock.now() + timedelta(**after)
    return ServiceSuspended(
        service_id=SERVICE, sku="ERP-CLOUD", effective_at=at, reason="requested"
    )


def resumed(scenario: Scenario, **after: float) -> ServiceResumed:
    at = scenario.clock.now() + timedelta(**after)
    return ServiceResumed(service_id=SERVICE, sku="ERP-CLOUD", effective_at=at)


def ended(scenario: Scenario, **after: float) -> ServiceEnded:
    at = scenario.clock.now() + timedelta(**after)
    return ServiceEnded(service_id=SERVICE, sku="ERP-CLOUD", effective_at=at, reason="requested")


async def opened(scenario: Scenario) -> int:
    return len(await scenario.service.published(AlertOpened))


async def test_a_suspended_service_may_be_silent_and_counts_again_from_when_it_serves_again(
    scenario: Scenario,
) -> None:
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    await scenario.say(suspended(scenario))
    await scenario.after(hours=40)
    assert await opened(scenario) == 0
    await scenario.say(resumed(scenario))
    await scenario.after(minutes=89)
    assert await opened(scenario) == 0
    await scenario.after(minutes=2)
    assert await opened(scenario) == 1


async def test_a_state_of_tomorrow_changes_nothing_today(scenario: Scenario) -> None:
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    await scenario.say(suspended(scenario, hours=24))
    await scenario.say(resumed(scenario, hours=48))
    await scenario.after(minutes=91)
    [alert] = await scenario.service.published(AlertOpened)
    await scenario.after(hours=23)
    [over] = await scenario.service.published(AlertResolved)
    assert (over.data.alert_id, over.data.by) == (alert.data.alert_id, "suspended")
    await scenario.after(hours=23)
    assert await opened(scenario) == 1
    await scenario.after(minutes=60)
    assert await opened(scenario) == 1
    await scenario.after(minutes=61)
    assert await opened(scenario) == 2


async def test_the_end_of_a_service_ends_its_alert_and_nothing_after_it_watches_again(
    scenario: Scenario,
) -> None:
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    await scenario.after(minutes=91)
    assert await opened(scenario) == 1
    await scenario.say(ended(scenario))
    [over] = await scenario.service.published(AlertResolved)
    assert over.data.by == "ended"
    await scenario.say(resumed(scenario))
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    await scenario.after(hours=40)
    assert await opened(scenario) == 1


async def test_a_service_that_has_never_reported_itself_is_not_watched_when_it_serves_again(
    scenario: Scenario,
) -> None:
    await scenario.say(suspended(scenario))
    await scenario.say(resumed(scenario, hours=1))
    await scenario.after(hours=1)
    await scenario.after(hours=40)
    assert await opened(scenario) == 0
