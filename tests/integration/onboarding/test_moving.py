"""An operator moves a tenant to another reseller: places and authority follow, at once or on the day that was decided."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.orders import OrderPlaced, ReassignmentDecided
from schemas.tenants import OrderFailed, ServiceActivated, TenantAssigned
from services.local.demo.world import PARTIES
from tests.integration.onboarding.scenario import NEAR, NOW, Scenario, event, order

OTHER = {**PARTIES["resellers"][0], "capacity": 0, "active": 0}
"""Farther off, and full: a person's decision counts nevertheless."""

DAY = timedelta(days=1)
TENANT = order("F1", 0, "MAIL-STD").subject


async def served(scenario: Scenario) -> None:
    await scenario.know(NEAR, OTHER)
    await scenario.service.publish(order("F1", 0, "MAIL-STD"))
    await scenario.service.settled()


async def decide(
    scenario: Scenario, reseller_id: str, at: datetime | None = None, tenant: str = TENANT
) -> None:
    data = ReassignmentDecided(reseller_id=reseller_id, effective_at=at)
    await scenario.service.publish(event(tenant, data, str(uuid4())))
    await scenario.service.settled()


async def places(scenario: Scenario) -> dict[str, int]:
    return {
        row["id"]: row["assigned"]
        for row in await scenario.service.sql("select id, assigned from reseller")
    }


async def serves(scenario: Scenario) -> list[tuple[str, Any]]:
    found = await scenario.service.published(TenantAssigned)
    return [(one.data.reseller_id, one.data.effective_at) for one in found]


async def more_from(scenario: Scenario, reseller_id: str) -> None:
    data = OrderPlaced.model_validate(
        {"reference": reseller_id, "items": [{"action": "add", "sku": "MAIL-STD"}]}
    )
    said = event(TENANT, data, f"more-{reseller_id}", 2)
    await scenario.service.publish(replace(said, principal=reseller_id))
    await scenario.service.settled()


async def test_the_place_and_the_right_to_order_move_at_once(scenario: Scenario) -> None:
    await served(scenario)
    scenario.clock.advance(DAY)
    await decide(scenario, OTHER["id"])
    assert await serves(scenario) == [(NEAR["id"], None), (OTHER["id"], NOW + DAY)]
    assert await places(scenario) == {NEAR["id"]: 0, OTHER["id"]: 1}
    await more_from(scenario, NEAR["id"])
    (failed,) = await scenario.service.published(OrderFailed)
    assert failed.data.reason == "not_yours"
    await more_from(scenario, OTHER["id"])
    assert len(await scenario.service.published(ServiceActivated)) == 2


async def test_it_moves_on_the_day_that_was_decided_last(scenario: Scenario) -> None:
    await served(scenario)
    await decide(scenario, OTHER["id"], NOW + 9 * DAY)
    await decide(scenario, OTHER["id"], NOW + 5 * DAY)
    scenario.clock.advance(5 * DAY - timedelta(seconds=1))
    await scenario.service.settled()
    assert await serves(scenario) == [(NEAR["id"], None)]
    scenario.clock.advance(timedelta(seconds=1))
    await scenario.service.settled()
    assert (await serves(scenario))[1:] == [(OTHER["id"], NOW + 5 * DAY)]
    scenario.clock.advance(9 * DAY)
    await scenario.service.settled()
    assert len(await serves(scenario)) == 2
    assert await places(scenario) == {NEAR["id"]: 0, OTHER["id"]: 1}


@pytest.mark.parametrize(
    ("reseller_id", "reason"),
    [(NEAR["id"], "already_assigned"), ("VAR-NOBODY", "unknown_reseller")],
)
async def test_what_makes_no_sense_changes_nothing(
    scenario: Scenario, reseller_id: str, reason: str
) -> None:
    await served(scenario)
    await decide(scenario, reseller_id)
    query = "select reason from reject union all select reason from parked"
    assert [row["reason"] for row in await scenario.service.sql(query)] == [reason]
    assert len(await serves(scenario)) == 1


async def test_a_tenant_without_a_reseller_is_assigned_not_moved(scenario: Scenario) -> None:
    await scenario.know()
    await scenario.service.publish(order("F1", 0, "MAIL-STD"))
    await scenario.publish_known(OTHER)
    await scenario.service.settled()
    await decide(scenario, OTHER["id"])
    assert [row["reason"] for row in await scenario.service.sql("select reason from reject")] == [
        "assignment_needed"
    ]
