"""Orders that suspend, resume and end services, and orders that take effect later: billing and back-ends change together."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from schemas.orders import OrderPlaced
from schemas.tenants import (
    OrderCompleted,
    OrderFailed,
    ServiceActivated,
    ServiceChanged,
    ServiceEnded,
    ServiceRemoved,
    ServiceResumed,
    ServiceSuspended,
)
from services.onboarding.domain.credentials import derive
from tests.integration.onboarding.ordering import DAY, RETENTION, ask, do, item_of, served, stands
from tests.integration.onboarding.scenario import NOW, Scenario, event, places_taken


async def opens(scenario: Scenario, service_id: str) -> bool:
    """Whether the service's own login opens its database."""
    known = derive(scenario.service.service.settings.key(), service_id)
    host = scenario.superuser_url.split("@")[1].split("/")[0]
    try:
        connection = await asyncpg.connect(
            f"postgresql://{known.role}:{known.password}@{host}/{known.database}"
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
        return False
    await connection.close()
    return True


async def test_a_suspended_service_is_closed_with_its_data_kept_and_opens_again(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "ERP-CLOUD")
    service_id = active.data.service_id
    assert await opens(scenario, service_id)
    await do(scenario, active, "suspend")
    (suspended,) = await scenario.service.published(ServiceSuspended)
    assert (suspended.data.service_id, suspended.data.reason) == (service_id, "requested")
    assert not await opens(scenario, service_id)
    assert await scenario.leftovers(service_id) == 2
    scenario.clock.advance(DAY)
    await do(scenario, active, "resume")
    (resumed,) = await scenario.service.published(ServiceResumed)
    assert resumed.data.effective_at == NOW + DAY
    assert await opens(scenario, service_id)
    assert await stands(scenario, service_id) == "active"


async def test_a_suspended_service_is_suspended_at_an_http_back_end_and_may_be_changed_meanwhile(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    held = scenario.backend.services[active.data.service_id]
    assert "state" not in held
    await do(scenario, active, "suspend")
    change = item_of("change", active, quantities={"mailbox": "7"})
    await scenario.service.publish(ask(active, "more", change))
    await scenario.service.settled()
    held = scenario.backend.services[active.data.service_id]
    assert (held["state"], held["quantities"]["mailbox"]) == ("suspended", "7")
    await do(scenario, active, "resume")
    held = scenario.backend.services[active.data.service_id]
    assert ("state" in held, held["quantities"]["mailbox"]) == (False, "7")


async def test_asking_for_the_state_that_a_service_is_in_is_done_and_says_nothing_new(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    for action in ("resume", "suspend", "suspend"):
        await do(scenario, active, action)
    assert len(await scenario.service.published(ServiceSuspended)) == 1
    assert not await scenario.service.published(ServiceResumed)
    assert len(await scenario.service.published(OrderCompleted)) == 4


@pytest.mark.parametrize("sku", ["ERP-CLOUD", "MAIL-STD"])
async def test_an_ended_service_is_closed_kept_for_the_retention_and_then_removed_without_a_trace(
    scenario: Scenario, sku: str
) -> None:
    (active,) = await served(scenario, sku)
    service_id = active.data.service_id
    await do(scenario, active, "end")
    (ended,) = await scenario.service.published(ServiceEnded)
    assert ended.data.retained_until == NOW + RETENTION
    assert await places_taken(scenario) == (0, 0), "the place of a firm that left is free"
    scenario.clock.advance(RETENTION - timedelta(seconds=1))
    await scenario.service.settled()
    kept = (
        await scenario.leftovers(service_id)
        if sku == "ERP-CLOUD"
        else scenario.backend.services[service_id]
    )
    assert kept in (2, scenario.backend.services.get(service_id))
    assert not await scenario.service.published(ServiceRemoved)
    scenario.clock.advance(timedelta(seconds=1))
    await scenario.service.settled()
    (removed,) = await scenario.service.published(ServiceRemoved)
    assert (removed.data.ended_at, removed.data.order_id) == (NOW, ended.data.order_id)
    assert await scenario.leftovers(service_id) == 0
    assert service_id not in scenario.backend.services


async def test_nothing_can_be_ordered_of_an_ended_service(scenario: Scenario) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    await do(scenario, active, "end")
    for action in ("suspend", "resume", "end"):
        await do(scenario, active, action)
    change = item_of("change", active, quantities={"mailbox": "7"})
    await scenario.service.publish(ask(active, "more", change))
    await scenario.service.settled()
    failed = await scenario.service.published(OrderFailed)
    assert [one.data.reason for one in failed] == ["ended"] * 4
    assert len(await scenario.service.published(ServiceEnded)) == 1


async def test_the_place_of_a_firm_is_free_with_its_last_service_and_a_firm_that_comes_back_is_placed_again(
    scenario: Scenario,
) -> None:
    erp, mail = await served(scenario, "ERP-CLOUD", "MAIL-STD")
    await do(scenario, erp, "end")
    assert await places_taken(scenario) == (1, 1)
    await do(scenario, mail, "suspend")
    assert await places_taken(scenario) == (1, 1), "a suspended service is served"
    await do(scenario, mail, "end")
    assert await places_taken(scenario) == (0, 0)
    again = OrderPlaced.model_validate(
        {"reference": "back", "items": [{"action": "add", "sku": "MAIL-STD"}]}
    )
    await scenario.service.publish(event(erp.subject, again, "back", 2))
    await scenario.service.settled()
    assert await places_taken(scenario) == (1, 1)
    assert len(await scenario.service.published(ServiceActivated)) == 3


async def test_an_order_that_takes_effect_later_changes_nothing_before_its_day(
    scenario: Scenario,
) -> None:
    """Back-end and bill change at the same instant, in the order in which orders take effect."""
    (active,) = await served(scenario, "MAIL-STD")
    service_id = active.data.service_id
    more = item_of("change", active, quantities={"mailbox": "20"})
    less = item_of("change", active, quantities={"mailbox": "9"})
    await scenario.service.publish(
        ask(active, "end", item_of("end", active), at=NOW + 30 * DAY),
        ask(active, "more", more, at=NOW + 20 * DAY),
        ask(active, "less", less, at=NOW + 10 * DAY),
    )
    await scenario.service.settled()
    assert not await scenario.service.published(ServiceChanged)
    scenario.clock.advance(10 * DAY)
    await scenario.service.settled()
    assert scenario.backend.services[service_id]["quantities"]["mailbox"] == "9"
    scenario.clock.advance(10 * DAY)
    await scenario.service.settled()
    changed = [
        (one.data.effective_at - NOW, one.data.quantities["mailbox"])
        for one in await scenario.service.published(ServiceChanged)
    ]
    assert changed == [(10 * DAY, Decimal(9)), (20 * DAY, Decimal(20))]
    assert await stands(scenario, service_id) == "active"
    scenario.clock.advance(10 * DAY)
    await scenario.service.settled()
    (ended,) = await scenario.service.published(ServiceEnded)
    assert ended.data.effective_at == NOW + 30 * DAY
    assert len(await scenario.service.published(OrderCompleted)) == 4


async def test_items_that_are_due_together_are_begun_in_the_order_accepted(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    at = NOW + DAY
    await scenario.service.publish(
        *(
            ask(active, f"to {n}", item_of("change", active, quantities={"mailbox": str(n)}), at=at)
            for n in (5, 3, 8, 2, 6)
        )
    )
    await scenario.service.settled()
    scenario.clock.advance(2 * DAY)
    await scenario.service.settled()
    changed = [
        one.data.quantities["mailbox"] for one in await scenario.service.published(ServiceChanged)
    ]
    assert changed == [5, 3, 8, 2, 6]


async def test_what_cannot_be_had_fails_when_it_is_ordered_not_on_its_day(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    wrong = item_of("change", active, quantities={"no_such": "1"})
    await scenario.service.publish(ask(active, "wrong", wrong, at=NOW + DAY))
    await scenario.service.settled()
    (failed,) = await scenario.service.published(OrderFailed)
    assert failed.data.reason == "unknown_quantity"


async def test_a_firm_leaves_though_its_back_end_refuses_or_never_answers(
    scenario: Scenario,
) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    scenario.backend.refused_tenants.add(active.subject)
    await do(scenario, active, "suspend")
    (failed,) = await scenario.service.published(OrderFailed)
    assert failed.data.reason == "change_failed"
    assert await stands(scenario, active.data.service_id) == "active"
    await do(scenario, active, "end")
    (ended,) = await scenario.service.published(ServiceEnded)
    assert ended.data.effective_at == NOW


async def test_a_change_that_one_back_end_made_and_another_refused_is_taken_back(
    scenario: Scenario,
) -> None:
    """A plan of two steps at one back-end: it takes what it held before, once it answers again."""
    (active,) = await served(scenario, "MAIL-STD")
    service_id = active.data.service_id
    held = scenario.backend.services[service_id]["quantities"]["mailbox"]
    await scenario.service.sql(
        "update service_instance set plan = jsonb_set(plan, '{provisioning}', plan->'provisioning' ||"
        ' \'[{"driver": "none_of_ours", "url": null}]\')'
    )
    more = item_of("change", active, quantities={"mailbox": "44"})
    await scenario.service.publish(ask(active, "more", more))

    async def failed() -> bool:
        return bool(await scenario.service.published(OrderFailed))

    await scenario.service.eventually(failed)

    async def as_before() -> bool:
        await asyncio.sleep(0.05)
        return bool(scenario.backend.services[service_id]["quantities"]["mailbox"] == held)

    await scenario.service.eventually(as_before)
    assert not await scenario.service.published(ServiceChanged)


async def test_states_count_in_the_order_in_which_they_were_made(scenario: Scenario) -> None:
    """A resumption that a back-end held up counts from when it served again; what was ordered after it, from no earlier."""
    (active,) = await served(scenario, "MAIL-STD")
    await do(scenario, active, "suspend")
    scenario.backend.broken_for[active.subject] = 503
    calls = scenario.backend.calls[active.subject]
    await scenario.service.publish(
        ask(active, "resume", item_of("resume", active)),
        ask(active, "suspend again", item_of("suspend", active)),
    )

    async def tried() -> bool:
        return scenario.backend.calls[active.subject] > calls

    await scenario.service.eventually(tried)
    scenario.clock.advance(DAY / 24)
    scenario.backend.broken_for.clear()

    async def done() -> bool:
        scenario.clock.advance(timedelta(seconds=30))
        await scenario.service.wake()
        return len(await scenario.service.published(ServiceSuspended)) == 2

    await scenario.service.eventually(done)
    (resumed,) = await scenario.service.published(ServiceResumed)
    [_, again] = await scenario.service.published(ServiceSuspended)
    assert NOW + DAY / 24 <= resumed.data.effective_at <= again.data.effective_at
    assert scenario.backend.services[active.data.service_id]["state"] == "suspended"
