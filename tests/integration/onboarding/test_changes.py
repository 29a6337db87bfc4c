"""Changes of a service: one after the other, in the order accepted, after what makes the service."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.tenants import (
    OrderFailed,
    ServiceActivated,
    ServiceChanged,
)
from tests.integration.onboarding.scenario import NEAR, Scenario, event, order


@pytest.mark.parametrize("seed", range(3))
async def test_changes_of_one_service_are_made_one_after_the_other_in_the_order_accepted(
    scenario: Scenario, seed: int
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD")
    await scenario.service.publish(placed)
    await scenario.service.settled()
    (active,) = await scenario.service.published(ServiceActivated)
    chance, service_id = Random(seed), active.data.service_id
    meters = [meter for meter in active.data.quantities if meter != "base"]
    expected, model = [], dict(active.data.quantities)
    changes = []
    for n in range(12):
        model = model | {chance.choice(meters): Decimal(chance.randrange(100))}
        expected.append(model)
        item = {
            "action": "change",
            "service_id": service_id,
            "quantities": {m: str(q) for m, q in model.items()},
        }
        changed = {m for m in meters if n == 0 or model[m] != expected[n - 1][m]} or {meters[0]}
        item["quantities"] = {m: str(model[m]) for m in changed}
        data = OrderPlaced.model_validate({"reference": f"C{n}", "items": [item]})
        changes.append(event(placed.subject, data, f"change-{n}", 2))
    await scenario.service.publish(*changes)

    async def all_made() -> bool:
        scenario.backend.broken_for.clear()
        if chance.random() < 0.2:
            scenario.backend.broken_for[placed.subject] = 503
        scenario.clock.advance(timedelta(seconds=chance.randrange(20)))
        await asyncio.sleep(0.02)
        return (
            len(await scenario.service.sql("select 1 from service_order where state = 'completed'"))
            == 13
        )

    await scenario.service.eventually(all_made)
    await scenario.service.settled()
    assert [
        fact.data.quantities for fact in await scenario.service.published(ServiceChanged)
    ] == expected
    assert {
        m: Decimal(q) for m, q in scenario.backend.services[service_id]["quantities"].items()
    } == model


async def test_a_change_waits_for_the_order_that_makes_its_service_and_a_wrong_one_fails_at_once(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD")
    service_id = identity.service_id(identity.order_id(placed.subject, placed.source, placed.id), 0)

    def change(of: str) -> Event[Any]:
        items = [{"action": "change", "service_id": of, "quantities": {"mailbox": "3"}}]
        return event(
            placed.subject,
            OrderPlaced.model_validate({"reference": of[:8], "items": items}),
            f"change-{of}",
        )

    wrong = str(uuid4())
    await scenario.service.publish(placed, change(service_id), change(wrong))

    async def ended() -> bool:
        scenario.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.05)
        open_orders = "select 1 from service_order where state not in ('completed', 'failed')"
        return len(
            await scenario.service.sql("select 1 from service_order")
        ) == 3 and not await scenario.service.sql(open_orders)

    await scenario.service.eventually(ended)
    await scenario.service.settled()
    (failed,) = await scenario.service.published(OrderFailed)
    assert failed.data.reference == wrong[:8]
    assert len(await scenario.service.published(ServiceChanged)) == 1


async def test_orders_of_one_instant_are_planned_in_the_order_accepted_whatever_they_are_called(
    scenario: Scenario,
) -> None:
    """A firm's first order and changes of its service come together, before the firm has a reseller."""
    placed = order("F1", 0, "MAIL-STD")
    first = identity.order_id(placed.subject, placed.source, placed.id)
    service_id = identity.service_id(first, 0)
    changes: list[Event[Any]] = []
    for n in range(1000):  # names whose order's id sorts before that of the first one
        items = [
            {
                "action": "change",
                "service_id": service_id,
                "quantities": {"mailbox": str(len(changes) + 2)},
            }
        ]
        data = OrderPlaced.model_validate({"reference": f"C{len(changes)}", "items": items})
        change = event(placed.subject, data, f"change-{n}")
        before = changes[-1].id if changes else placed.id
        if identity.order_id(placed.subject, placed.source, change.id) < identity.order_id(
            placed.subject, placed.source, before
        ):
            changes.append(change)
    await scenario.service.publish(placed, *changes[:3])
    await scenario.publish_known(NEAR)

    async def all_made() -> bool:
        scenario.clock.advance(timedelta(seconds=1))
        return len(
            await scenario.service.sql("select 1 from service_order where state = 'completed'")
        ) == 1 + len(changes[:3])

    assert changes
    await scenario.service.eventually(all_made)
    await scenario.service.settled()
    made = [
        str(fact.data.quantities["mailbox"])
        for fact in await scenario.service.published(ServiceChanged)
    ]
    assert made == [str(n + 2) for n in range(len(changes[:3]))]
