"""From an order to an active tenant: once, within capacity, and without a trace where it fails."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from schemas import identity
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.orders import AssignmentDecided, OrderPlaced
from schemas.tenants import (
    AssignmentNeeded,
    OrderCompleted,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    ProvisioningFailed,
    ServiceActivated,
    TenantActivated,
    TenantAssigned,
)
from services.chassis.waiting import measure
from services.local.demo.world import catalogue
from services.onboarding.app import WAITING
from services.onboarding.domain.credentials import name_of
from tests.integration.onboarding.scenario import (
    NEAR,
    Scenario,
    event,
    order,
    places_taken,
)
from tests.support.waits import waits


async def test_an_order_becomes_an_active_tenant_once_however_often_it_comes(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "ERP-CLOUD", "MAIL-STD")
    await scenario.service.publish(placed, placed, placed)
    await scenario.service.settled()
    counts = [
        len(await scenario.service.published(kind))
        for kind in (TenantAssigned, ServiceActivated, OrderCompleted, TenantActivated)
    ]
    assert counts == [1, 2, 1, 1]


async def test_of_many_that_want_the_last_places_exactly_as_many_get_one(
    scenario: Scenario,
) -> None:
    await scenario.know({**NEAR, "capacity": 3})
    await scenario.service.publish(*(order(f"F{n}", 0, "ERP-CLOUD") for n in range(10)))
    await scenario.service.settled()
    assert len(await scenario.service.published(TenantAssigned)) == 3
    assert len(await scenario.service.published(AssignmentNeeded)) == 7


async def test_an_order_waits_for_the_catalogue_it_was_judged_by(scenario: Scenario) -> None:
    early = order("F1", 0, "ERP-CLOUD", revision=2)
    await scenario.service.publish(early)
    await scenario.service.eventually(lambda: scenario.service.sql("select 1 from service_order"))
    await _know_without_settling(scenario)

    async def active() -> bool:
        scenario.clock.advance(timedelta(seconds=1))
        return bool(await scenario.service.published(TenantActivated))

    await scenario.service.eventually(active)
    assert await scenario.service.published(AssignmentNeeded) == []


async def _know_without_settling(scenario: Scenario) -> None:
    """The waiting order keeps a job due, so nothing settles until the catalogue is known."""
    plans = CataloguePublished.model_validate({"revision": 1, **catalogue(scenario.backend.url)})
    profile = {
        **{k: v for k, v in NEAR.items() if k != "id"},
        "reseller_id": NEAR["id"],
        "revision": 2,
    }
    said = (plans, ResellerRegistered.model_validate(profile))
    await scenario.service.publish(*(event("catalogue", p, f"c{n}") for n, p in enumerate(said)))


async def test_a_back_end_that_refuses_for_good_leaves_nothing_behind(scenario: Scenario) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD")
    scenario.backend.refused_tenants.add(placed.subject)
    await scenario.service.publish(placed)
    await scenario.service.settled()
    service_id = identity.service_id(identity.order_id(placed.subject, placed.source, placed.id), 0)
    assert scenario.backend.calls[placed.subject] == 1
    assert [
        fact.data.attempts for fact in await scenario.service.published(ProvisioningFailed)
    ] == [1]
    assert await scenario.leftovers(service_id) == 0
    assert [fact.data.reason for fact in await scenario.service.published(OrderFailed)] == [
        "provisioning_failed"
    ]
    assert await scenario.service.published(TenantActivated) == []


async def test_what_a_step_made_and_is_not_there_any_more_is_an_error_and_no_success(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, "MAIL-STD")
    scenario.backend.broken_for[placed.subject] = 503
    await scenario.service.publish(placed)
    name = name_of(
        identity.service_id(identity.order_id(placed.subject, placed.source, placed.id), 0)
    )

    async def database_is_made() -> bool:
        return bool(scenario.backend.calls[placed.subject])

    await scenario.service.eventually(database_is_made)
    connection = await asyncpg.connect(scenario.superuser_url)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.execute(f'drop role "{name}"')
    await connection.close()
    scenario.backend.refused_tenants.add(placed.subject)

    async def complained() -> bool:
        scenario.clock.advance(timedelta(seconds=30))
        await asyncio.sleep(0.05)
        return bool(
            await scenario.service.sql(
                "select from job where kind = 'undo_step' and last_error like '%not there%'"
            )
        )

    await scenario.service.eventually(complained)
    assert await scenario.service.published(ProvisioningFailed) == []
    scenario.clock.advance(timedelta(hours=2))
    await measure(scenario.service.runtime, WAITING)
    n, seconds = waits("undo")
    assert n == 1
    assert seconds is not None
    assert 7200 <= seconds < 8 * 3600


async def test_a_firm_without_a_reseller_and_its_order_wait_until_one_is_chosen(
    scenario: Scenario,
) -> None:
    await scenario.know({**NEAR, "capacity": 0})
    placed = order("F1", 0, "MAIL-STD")
    await scenario.service.publish(placed)
    await scenario.service.settled()
    scenario.clock.advance(timedelta(hours=5))
    await measure(scenario.service.runtime, WAITING)
    assert (waits("tenant"), waits("order")) == ((1, 18_000), (1, 18_000))
    chosen = AssignmentDecided(reseller_id=NEAR["id"], reason="")
    await scenario.service.publish(event(placed.subject, chosen, "decided"))
    await scenario.service.settled()
    await measure(scenario.service.runtime, WAITING)
    assert (waits("tenant"), waits("order"), waits("undo")) == ((0, 0), (0, 0), (0, 0))


async def test_a_later_order_of_an_unknown_tenant_fails_and_says_why(scenario: Scenario) -> None:
    await scenario.know(NEAR)
    data = OrderPlaced.model_validate(
        {"reference": "R", "items": [{"action": "add", "sku": "ERP-CLOUD"}]}
    )
    await scenario.service.publish(event(str(uuid4()), data, "o1"))
    await scenario.service.settled()
    assert [fact.data.reason for fact in await scenario.service.published(OrderFailed)] == [
        "unknown_tenant"
    ]


@pytest.mark.parametrize(
    "skus", [("ERP-CLOUD", "MAIL-STD"), ("MAIL-STD", "ERP-CLOUD")], ids=["last", "first"]
)
async def test_an_order_of_which_one_item_fails_is_partial_and_its_tenant_active(
    scenario: Scenario, skus: tuple[str, ...]
) -> None:
    await scenario.know(NEAR)
    placed = order("F1", 0, *skus)
    scenario.backend.refused_tenants.add(placed.subject)
    await scenario.service.publish(placed)

    async def ended() -> bool:
        scenario.clock.advance(timedelta(minutes=10))
        await asyncio.sleep(0.05)
        return bool(await scenario.service.published(OrderPartiallyCompleted))

    await scenario.service.eventually(ended)
    await scenario.service.settled()
    (said,) = await scenario.service.published(OrderPartiallyCompleted)
    assert said.data.reseller_id == NEAR["id"]
    assert {skus[item.item]: item.done for item in said.data.items} == {
        "ERP-CLOUD": True,
        "MAIL-STD": False,
    }
    (active,) = await scenario.service.published(ServiceActivated)
    (tenant,) = await scenario.service.published(TenantActivated)
    assert tenant.data.services == (active.data.service_id,)
    assert await scenario.service.published(OrderFailed) == []
    assert [
        row["state"] for row in await scenario.service.sql("select state from service_order")
    ] == ["partial"]


async def test_a_tenant_that_came_to_nothing_gives_its_place_back_and_may_order_again(
    scenario: Scenario,
) -> None:
    await scenario.know({**NEAR, "capacity": 1})
    for n, sku in enumerate(("NO-SUCH-SKU", "MAIL-STD")):
        placed = order(f"F{n}", 0, sku)
        scenario.backend.refused_tenants.add(placed.subject)
        await scenario.service.publish(placed)
        if sku == "NO-SUCH-SKU":
            await scenario.service.settled()

    async def ended() -> bool:
        scenario.clock.advance(timedelta(minutes=10))
        await asyncio.sleep(0.05)
        states = await scenario.service.sql(
            "select state from service_order where state in ('failed', 'held')"
        )
        return len(states) == 2

    await scenario.service.eventually(ended)
    await scenario.service.settled()
    assert await places_taken(scenario) == (0, 0)
    again = order("F1", 0, "ERP-CLOUD")
    await scenario.service.publish(event(again.subject, again.data, "again", 2))
    await scenario.service.settled()
    assert len(await scenario.service.published(TenantActivated)) == 1
    assert await places_taken(scenario) == (1, 1)


async def test_an_order_held_for_its_town_and_ordered_again_makes_one_service(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    good = order("F1", 0, "ERP-CLOUD")
    assert good.data.tenant is not None
    address = good.data.tenant.address.model_copy(update={"comune": "Nowhere-in-Italy"})
    bad = good.data.model_copy(
        update={"tenant": good.data.tenant.model_copy(update={"address": address})}
    )
    for n, data in enumerate((bad, bad, good.data)):
        await scenario.service.publish(event(good.subject, data, f"try-{n}", 2))
        await scenario.service.settled()
    held = await scenario.service.published(OrderHeld)
    ended = await scenario.service.published(OrderFailed)
    assert [fact.data.order_id for fact in ended] == [fact.data.order_id for fact in held]
    assert {fact.data.reason for fact in ended} == {"superseded"}
    assert len(await scenario.service.published(ServiceActivated)) == 1
    assert len(await scenario.service.published(OrderCompleted)) == 1
