"""An order's name is its sender's own, and it is carried out only for a tenant that is not another reseller's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import AssignmentDecided, OrderPlaced
from schemas.tenants import (
    OrderAcknowledged,
    OrderCompleted,
    OrderFailed,
    OrderHeld,
    ServiceChanged,
    TenantAssigned,
)
from services.onboarding.app import OnboardingSettings
from tests.integration.onboarding.scenario import NEAR, Scenario, event, order
from tests.support import before
from tests.support.running import settings_for

FAR = {**NEAR, "id": "VAR-FAR", "capacity": 0}
OWN = NEAR["id"]
NEXT_TRY = timedelta(seconds=31)


def by(principal: str | None, placed: Event[Any], **more: Any) -> Event[Any]:
    """An order as its sender's door lets it in."""
    door_id = identity.order_id(placed.subject, placed.source, placed.id, principal)
    return replace(placed, principal=principal, order_id=door_id, **more)


def later(tenant: str, id_: str, **item: Any) -> Event[Any]:
    """An order of a tenant that is known."""
    found = item or {"action": "add", "sku": "MAIL-STD"}
    return event(tenant, OrderPlaced.model_validate({"reference": id_, "items": [found]}), id_)


async def say(scenario: Scenario, *events: Event[Any]) -> None:
    """Say events, and wait for all that follows."""
    await scenario.service.publish(*events)
    await scenario.service.settled()


async def served(scenario: Scenario) -> str:
    """A tenant of NEAR; returns its id."""
    await scenario.know(NEAR, FAR)
    placed = by("operator", order("F1", 0, "ERP-CLOUD"))
    await say(scenario, placed)
    assert len(await scenario.service.published(OrderCompleted)) == 1
    return placed.subject


async def failed(scenario: Scenario) -> list[tuple[str, str, str | None]]:
    return [
        (f.data.order_id, f.data.reason, f.data.sender)
        for f in await scenario.service.published(OrderFailed)
    ]


@pytest.mark.parametrize(
    "stamped", [True, False], ids=["by a door that stamps order ids", "by an earlier build's door"]
)
async def test_two_senders_with_one_source_and_id_both_get_their_order(
    scenario: Scenario, stamped: bool
) -> None:
    tenant = await served(scenario)
    both = [by("operator", later(tenant, "o-1")), by(OWN, later(tenant, "o-1"))]
    if not stamped:
        both = [replace(placed, order_id=None) for placed in both]
    await say(scenario, *both)
    await say(scenario, *both)
    assert (
        len({done.data.order_id for done in await scenario.service.published(OrderCompleted)}) == 3
    )
    assert await scenario.service.sql("select 1 from reject") == []


async def test_an_order_keeps_the_id_that_an_earlier_builds_door_answered(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    placed = replace(later(tenant, "o-1"), principal=OWN)
    await say(scenario, placed)
    done = {done.data.order_id for done in await scenario.service.published(OrderCompleted)}
    assert before.order_id(tenant, placed.source, "o-1") in done


async def test_an_order_that_acted_before_principals_were_part_of_names_is_known(
    database: str, bootstrap: str, topic_prefix: str, scenario: Scenario
) -> None:
    tenant = await served(scenario)
    old = later(tenant, "o-old")
    known = before.order_id(tenant, old.source, old.id)
    await scenario.service.sql(
        "insert into service_order (id, tenant_id, reference, state, effective_at, accepted_at, revision)"
        " values ($1, $2, 'o-old', 'completed', now(), now(), 0)", known, tenant,
    )  # fmt: skip
    await say(scenario, by(OWN, old), by("operator", old))
    assert len(await scenario.service.published(OrderAcknowledged)) == 1
    assert await scenario.service.sql("select 1 from reject") == []
    other = replace(old, data=old.data.model_copy(update={"reference": "another"}))
    await say(scenario, by("VAR-FAR", other))
    assert [row["reason"] for row in await scenario.service.sql("select reason from reject")] == [
        "id_reuse"
    ]


async def test_a_home_of_before_starts_with_its_orders(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        OnboardingSettings,
        "onboarding",
        database,
        bootstrap,
        topic_prefix,
        provisioning_url=database,
    )
    async with before.home_of_before("onboarding", settings) as db:
        await db.execute(
            "insert into service_order (id, tenant_id, reference, state, effective_at, accepted_at, revision)"
            " values ('o', 't', 'r', 'acknowledged', now(), now(), 0)"
        )
    async with before.upgraded("onboarding", settings) as db:
        found = await db.fetch("select id, principal, judged_for from service_order")
        assert [tuple(row) for row in found] == [("o", None, None)]


@pytest.mark.parametrize("kind", ["add", "add with the firm's details", "change"])
async def test_an_order_let_in_before_the_tenant_was_anothers_ends_not_yours_and_does_nothing(
    scenario: Scenario, kind: str
) -> None:
    tenant = await served(scenario)
    (service,) = await scenario.service.sql("select id from service_instance")
    orders = {
        "add": later(tenant, "o-x"),
        "add with the firm's details": replace(order("F1", 0, "MAIL-STD"), id="o-x"),
        "change": later(
            tenant, "o-x", action="change", service_id=service["id"], quantities={"extra_user": "9"}
        ),
    }
    placed = by("VAR-FAR", orders[kind])
    await say(scenario, placed)
    assert await failed(scenario) == [(placed.order_id, "not_yours", "VAR-FAR")]
    assert len(await scenario.service.sql("select 1 from service_instance")) == 1
    assert await scenario.service.published(ServiceChanged) == []
    assert len(await scenario.service.published(OrderAcknowledged)) == 1


async def test_an_order_from_an_unknown_town_for_anothers_tenant_is_not_held_but_refused(
    scenario: Scenario,
) -> None:
    await served(scenario)
    placed = order("F1", 0, "MAIL-STD")
    address = placed.data.tenant.address.model_copy(update={"comune": "Nowhere"})  # type: ignore[union-attr]
    details = placed.data.tenant.model_copy(update={"address": address})  # type: ignore[union-attr]
    data = placed.data.model_copy(update={"tenant": details})
    await say(scenario, by("VAR-FAR", replace(placed, id="o-x", data=data)))
    assert [reason for _, reason, _ in await failed(scenario)] == ["not_yours"]
    assert await scenario.service.published(OrderHeld) == []


async def test_of_orders_that_waited_for_a_reseller_a_strangers_ends_and_those_of_who_brought_the_firm_in_go_on(
    scenario: Scenario,
) -> None:
    await scenario.know({**NEAR, "capacity": 0}, FAR)
    first = by("VAR-BRINGS", order("F1", 0, "ERP-CLOUD"))
    await say(scenario, first)
    waiting = [
        by(sender, replace(order("F1", 0, "MAIL-STD"), id=f"o-{sender}"))
        for sender in ("VAR-FAR", OWN, "VAR-BRINGS")
    ]
    await say(scenario, *waiting)
    assert await failed(scenario) == []
    decided = AssignmentDecided(reseller_id=OWN)
    await say(scenario, event(first.subject, decided, "d-1"))
    assert await failed(scenario) == [(waiting[0].order_id, "not_yours", "VAR-FAR")]
    done = {found.data.order_id for found in await scenario.service.published(OrderCompleted)}
    assert done == {first.order_id, waiting[1].order_id, waiting[2].order_id}


async def test_an_order_whose_tenant_changes_hands_before_it_is_planned_ends_not_yours(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    placed = by(OWN, later(tenant, "o-x"), revision=99)  # waits for a catalogue that is not here
    await scenario.service.publish(placed)
    await scenario.service.eventually(
        lambda: scenario.service.sql("select 1 from job where kind = 'plan_order'")
    )
    await scenario.service.sql("update tenant set reseller_id = 'VAR-FAR'")

    async def ended() -> bool:
        scenario.clock.advance(NEXT_TRY)
        return bool(await scenario.service.published(OrderFailed))

    await scenario.service.eventually(ended)
    assert await failed(scenario) == [(placed.order_id, "not_yours", OWN)]


async def test_a_decision_about_a_tenant_that_has_a_reseller_by_now_does_nothing(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    await say(scenario, event(tenant, AssignmentDecided(reseller_id="VAR-FAR"), "d-1"))
    assert [row["reason"] for row in await scenario.service.sql("select reason from reject")] == [
        "already_assigned"
    ]
    assert [
        found.data.reseller_id for found in await scenario.service.published(TenantAssigned)
    ] == [OWN]
