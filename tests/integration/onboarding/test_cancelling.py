"""An order is cancelled at any moment before an item of it is done, and then nothing of it is left."""

from datetime import timedelta
from typing import Any

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import OrderCancelRequested, OrderPlaced
from schemas.tenants import (
    OrderCancelled,
    OrderCompleted,
    OrderFailed,
    OrderScheduled,
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    ServiceEnded,
)
from tests.integration.onboarding.ordering import served
from tests.integration.onboarding.scenario import NEAR, NOW, Scenario, event, order, places_taken

DAY = timedelta(days=1)
BUSY = 503


def id_of(placed: Event[OrderPlaced]) -> str:
    return identity.order_id(placed.subject, placed.source, placed.id)


def cancel(placed: Event[OrderPlaced], name: str = "cancel", subject: str = "") -> Event[Any]:
    return event(subject or placed.subject, OrderCancelRequested(order_id=id_of(placed)), name)


async def reasons(scenario: Scenario) -> list[str]:
    """Of what was refused, and of what waits for an order that nobody knows."""
    query = "select reason from reject union all select reason from parked"
    return [row["reason"] for row in await scenario.service.sql(query)]


async def test_an_order_that_waits_for_a_person_is_cancelled_at_once(scenario: Scenario) -> None:
    await scenario.know()  # no reseller: the order is held
    placed = order("F1", 0, "MAIL-STD")
    await scenario.service.publish(placed)
    await scenario.service.settled()
    await scenario.service.publish(cancel(placed), cancel(placed, "again"))
    await scenario.service.settled()
    assert len(await scenario.service.published(OrderCancelled)) == 1
    assert not await scenario.service.published(OrderFailed)
    await scenario.publish_known(NEAR)
    await scenario.service.settled()
    assert not scenario.backend.services


async def test_an_order_that_back_ends_are_at_is_cancelled_and_what_they_made_is_taken_back(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD")
    scenario.backend.broken_for[placed.subject] = BUSY
    await scenario.service.publish(placed)

    async def tried() -> bool:
        return scenario.backend.calls[placed.subject] > 0

    await scenario.service.eventually(tried)
    assert await places_taken(scenario) == (1, 1)
    await scenario.service.publish(cancel(placed))

    async def cancelled() -> bool:
        scenario.clock.advance(timedelta(seconds=30))
        return bool(await scenario.service.published(OrderCancelled))

    await scenario.service.eventually(cancelled)
    await scenario.service.settled()
    assert not await scenario.service.published(ProvisioningFailed), "nobody is to look at it"
    assert not scenario.backend.services
    assert await places_taken(scenario) == (0, 0)


async def test_an_order_of_which_an_item_is_done_cannot_be_cancelled(scenario: Scenario) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD", "ERP-CLOUD")
    scenario.backend.broken_for[placed.subject] = BUSY
    await scenario.service.publish(placed)

    async def one_is_there() -> bool:
        return bool(await scenario.service.published(ServiceActivated))

    await scenario.service.eventually(one_is_there)
    await scenario.service.publish(cancel(placed))
    scenario.backend.broken_for.clear()

    async def completed() -> bool:
        scenario.clock.advance(timedelta(seconds=30))
        return bool(await scenario.service.published(OrderCompleted))

    await scenario.service.eventually(completed)
    await scenario.service.publish(cancel(placed, "after its end"))
    await scenario.service.settled()
    assert await reasons(scenario) == ["too_late", "too_late"]
    assert not await scenario.service.published(OrderCancelled)


async def test_an_order_that_takes_effect_later_is_cancelled_until_its_day(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    items = [{"action": "end", "service_id": active.data.service_id}]
    data = {"reference": "leaves", "items": items, "effective_at": NOW + 30 * DAY}
    leaves = event(active.subject, OrderPlaced.model_validate(data), "leaves")
    await scenario.service.publish(leaves)
    await scenario.service.settled()
    (scheduled,) = await scenario.service.published(OrderScheduled)
    assert (scheduled.data.order_id, scheduled.data.begins_at) == (id_of(leaves), NOW + 30 * DAY)
    await scenario.service.publish(cancel(leaves))
    await scenario.service.settled()
    assert len(await scenario.service.published(OrderCancelled)) == 1
    scenario.clock.advance(60 * DAY)
    await scenario.service.settled()
    assert not await scenario.service.published(ServiceEnded)
    assert await places_taken(scenario) == (1, 1)


async def test_a_cancelled_change_is_taken_back_at_its_back_end(scenario: Scenario) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    scenario.backend.broken_for[active.subject] = BUSY
    items = [
        {"action": "change", "service_id": active.data.service_id, "quantities": {"mailbox": "9"}}
    ]
    change = event(
        active.subject, OrderPlaced.model_validate({"reference": "more", "items": items}), "more"
    )
    before = scenario.backend.calls[active.subject]
    await scenario.service.publish(change)

    async def tried() -> bool:
        return scenario.backend.calls[active.subject] > before

    await scenario.service.eventually(tried)
    await scenario.service.publish(cancel(change))

    async def pending() -> bool:
        return bool(
            await scenario.service.sql(
                "select 1 from service_order where state = 'pending_cancellation'"
            )
        )

    await scenario.service.eventually(pending)
    scenario.backend.broken_for.clear()

    async def cancelled() -> bool:
        scenario.clock.advance(timedelta(seconds=30))
        return bool(await scenario.service.published(OrderCancelled))

    await scenario.service.eventually(cancelled)
    await scenario.service.settled()
    assert not await scenario.service.published(ServiceChanged)
    held = scenario.backend.services[active.data.service_id]["quantities"]["mailbox"]
    assert held == str(active.data.quantities["mailbox"])


@pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
async def test_another_tenants_order_sounds_like_an_unknown_one(
    scenario: Scenario, whose: str
) -> None:
    await scenario.know(NEAR)
    placed, other = order("F1", 0, "MAIL-STD"), order("F2", 1, "MAIL-STD")
    await scenario.service.publish(placed, other)
    await scenario.service.settled()
    asked = (
        cancel(placed, subject=other.subject)
        if whose == "another tenant's"
        else cancel(event("x", placed.data, "never placed"), subject=other.subject)
    )
    await scenario.service.publish(asked)

    await scenario.service.settled()
    assert await reasons(scenario) == ["unknown_order"]
    assert not await scenario.service.published(OrderCancelled)
