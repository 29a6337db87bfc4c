"""A firm that names its reseller gets it, if it fits; the event says so, or what excludes it."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.tenants import TenantAssigned
from tests.integration.onboarding.scenario import NEAR, Scenario, order

FAR = {**NEAR, "id": "VAR-FAR", "place": {**NEAR["place"], "lat": NEAR["place"]["lat"] + 1.0}}
"""A hundred kilometres further: never chosen by the policy while the near one has room."""


def preferring(firm: str, reseller_id: str | None, event_id: str = "") -> Event[OrderPlaced]:
    """A first order that names a reseller."""
    placed = order(firm, 0, "ERP-CLOUD")
    data = placed.data.model_copy(update={"preferred_reseller": reseller_id})
    return replace(placed, data=data, id=event_id or placed.id)


async def assigned(scenario: Scenario, *orders: Event[Any]) -> TenantAssigned:
    """What the tenant of some orders came to."""
    await scenario.service.publish(*orders)
    await scenario.service.settled()
    [found] = await scenario.service.published(TenantAssigned)
    return found.data


async def test_a_reseller_that_is_named_and_fits_is_chosen(scenario: Scenario) -> None:
    await scenario.know(NEAR, FAR)
    found = await assigned(scenario, preferring("F1", "VAR-FAR"))
    assert (found.reseller_id, found.by, found.preferred) == ("VAR-FAR", "preference", "VAR-FAR")
    assert found.ranking[0].reseller_id == NEAR["id"]


async def test_without_a_name_the_policy_chooses(scenario: Scenario) -> None:
    await scenario.know(NEAR, FAR)
    found = await assigned(scenario, preferring("F1", None))
    assert (found.reseller_id, found.by, found.preferred) == (NEAR["id"], "policy", None)


@pytest.mark.parametrize(
    ("change", "excluded"),
    [
        ({"capacity": 0}, "capacity"),
        ({"certifications": []}, "certification"),
        ({"languages": ["de"]}, "language"),
        ({"place": {**NEAR["place"], "lat": NEAR["place"]["lat"] - 8.0}}, "distance"),
    ],
)
async def test_one_that_does_not_fit_is_not_chosen_and_the_ranking_says_why(
    scenario: Scenario, change: dict[str, Any], excluded: str
) -> None:
    await scenario.know(NEAR, {**FAR, **change})
    found = await assigned(scenario, preferring("F1", "VAR-FAR"))
    assert (found.reseller_id, found.by, found.preferred) == (NEAR["id"], "policy", "VAR-FAR")
    [row] = [row for row in found.ranking if row.reseller_id == "VAR-FAR"]
    assert excluded in row.excluded


async def test_the_last_place_of_the_preferred_one_goes_to_one_and_the_others_go_elsewhere(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR, {**FAR, "capacity": 1})
    await scenario.service.publish(*(preferring(f"F{n}", "VAR-FAR") for n in range(6)))
    await scenario.service.settled()
    found = [event.data for event in await scenario.service.published(TenantAssigned)]
    assert sorted(one.reseller_id for one in found) == sorted([NEAR["id"]] * 5 + ["VAR-FAR"])
    assert {(one.reseller_id, str(one.by)) for one in found} == {
        (NEAR["id"], "policy"), ("VAR-FAR", "preference"),
    }  # fmt: skip
