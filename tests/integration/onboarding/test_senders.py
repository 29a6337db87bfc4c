"""An order's name is its sender's own, and it is carried out only for a tenant that is not another reseller's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import AssignmentDecided, OrderPlaced
from schemas.tenants import OrderAcknowledged, OrderCompleted, OrderFailed, OrderHeld, ServiceChanged, TenantAssigned
from services.onboarding.app import OnboardingSettings
from tests.integration.onboarding.test_onboarding import NEAR, Desk, desk, event, order
from tests.support import before
from tests.support.running import settings_for

__all__ = ["desk"]
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


async def say(desk: Desk, *events: Event[Any]) -> None:
    """Say events, and wait for all that follows."""
    await desk.service.publish(*events)
    await desk.service.settled()


async def served(desk: Desk) -> str:
    """A tenant of NEAR; returns its id."""
    await desk.know(NEAR, FAR)
    placed = by("operator", order("F1", 0, "ERP-CLOUD"))
    await say(desk, placed)
    assert len(await desk.service.published(OrderCompleted)) == 1
    return placed.subject


async def failed(desk: Desk) -> list[tuple[str, str, str | None]]:
    return [(f.data.order_id, f.data.reason, f.data.sender) for f in await desk.service.published(OrderFailed)]


@pytest.mark.parametrize(
    "stamped", [True, False], ids=["by a door that stamps order ids", "by an earlier build's door"]
)
async def test_two_senders_with_one_source_and_id_both_get_their_order(desk: Desk, stamped: bool) -> None:
    tenant = await served(desk)
    both = [by("operator", later(tenant, "o-1")), by(OWN, later(tenant, "o-1"))]
    if not stamped:
        both = [replace(placed, order_id=None) for placed in both]
    await say(desk, *both)
    await say(desk, *both)
    assert len({done.data.order_id for done in await desk.service.published(OrderCompleted)}) == 3
    assert await desk.service.sql("select 1 from reject") == []


async def test_an_order_keeps_the_id_that_an_earlier_builds_door_answered(desk: Desk) -> None:
    tenant = await served(desk)
    placed = replace(later(tenant, "o-1"), principal=OWN)
    await say(desk, placed)
    done = {done.data.order_id for done in await desk.service.published(OrderCompleted)}
    assert before.order_id(tenant, placed.source, "o-1") in done


async def test_an_order_that_acted_before_principals_were_part_of_names_is_known(
    database: str, bootstrap: str, topic_prefix: str, desk: Desk
) -> None:
    tenant = await served(desk)
    old = later(tenant, "o-old")
    known = before.order_id(tenant, old.source, old.id)
    await desk.service.sql(
        "insert into service_order (id, tenant_id, reference, state, effective_at, accepted_at, revision)"
        " values ($1, $2, 'o-old', 'completed', now(), now(), 0)", known, tenant,
    )  # fmt: skip
    await say(desk, by(OWN, old), by("operator", old))
    assert len(await desk.service.published(OrderAcknowledged)) == 1
    assert await desk.service.sql("select 1 from reject") == []
    other = replace(old, data=old.data.model_copy(update={"reference": "another"}))
    await say(desk, by("VAR-FAR", other))
    assert [row["reason"] for row in await desk.service.sql("select reason from reject")] == ["id_reuse"]


async def test_a_home_of_before_starts_with_its_orders(database: str, bootstrap: str, topic_prefix: str) -> None:
    settings = await settings_for(
        OnboardingSettings, "onboarding", database, bootstrap, topic_prefix, provisioning_url=database
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
    desk: Desk, kind: str
) -> None:
    tenant = await served(desk)
    (service,) = await desk.service.sql("select id from service_instance")
    orders = {
        "add": later(tenant, "o-x"),
        "add with the firm's details": replace(order("F1", 0, "MAIL-STD"), id="o-x"),
        "change": later(tenant, "o-x", action="change", service_id=service["id"], quantities={"extra_user": "9"}),
    }
    placed = by("VAR-FAR", orders[kind])
    await say(desk, placed)
    assert await failed(desk) == [(placed.order_id, "not_yours", "VAR-FAR")]
    assert len(await desk.service.sql("select 1 from service_instance")) == 1
    assert await desk.service.published(ServiceChanged) == []
    assert len(await desk.service.published(OrderAcknowledged)) == 1


async def test_an_order_from_an_unknown_town_for_anothers_tenant_is_not_held_but_refused(desk: Desk) -> None:
    await served(desk)
    placed = order("F1", 0, "MAIL-STD")
    address = placed.data.tenant.address.model_copy(update={"comune": "Nowhere"})  # type: ignore[union-attr]
    details = placed.data.tenant.model_copy(update={"address": address})  # type: ignore[union-attr]
    data = placed.data.model_copy(update={"tenant": details})
    await say(desk, by("VAR-FAR", replace(placed, id="o-x", data=data)))
    assert [reason for _, reason, _ in await failed(desk)] == ["not_yours"]
    assert await desk.service.published(OrderHeld) == []


async def test_of_orders_that_waited_for_a_reseller_a_strangers_ends_and_those_of_who_brought_the_firm_in_go_on(
    desk: Desk,
) -> None:
    await desk.know({**NEAR, "capacity": 0}, FAR)
    first = by("VAR-BRINGS", order("F1", 0, "ERP-CLOUD"))
    await say(desk, first)
    waiting = [
        by(sender, replace(order("F1", 0, "MAIL-STD"), id=f"o-{sender}")) for sender in ("VAR-FAR", OWN, "VAR-BRINGS")
    ]
    await say(desk, *waiting)
    assert await failed(desk) == []
    decided = AssignmentDecided(reseller_id=OWN)
    await say(desk, event(first.subject, decided, "d-1"))
    assert await failed(desk) == [(waiting[0].order_id, "not_yours", "VAR-FAR")]
    done = {found.data.order_id for found in await desk.service.published(OrderCompleted)}
    assert done == {first.order_id, waiting[1].order_id, waiting[2].order_id}


async def test_an_order_whose_tenant_changes_hands_before_it_is_planned_ends_not_yours(desk: Desk) -> None:
    tenant = await served(desk)
    placed = by(OWN, later(tenant, "o-x"), revision=99)  # waits for a catalogue that is not here
    await desk.service.publish(placed)
    await desk.service.eventually(lambda: desk.service.sql("select 1 from job where kind = 'plan_order'"))
    await desk.service.sql("update tenant set reseller_id = 'VAR-FAR'")

    async def ended() -> bool:
        desk.clock.advance(NEXT_TRY)
        return bool(await desk.service.published(OrderFailed))

    await desk.service.eventually(ended)
    assert await failed(desk) == [(placed.order_id, "not_yours", OWN)]


async def test_a_decision_about_a_tenant_that_has_a_reseller_by_now_does_nothing(desk: Desk) -> None:
    tenant = await served(desk)
    await say(desk, event(tenant, AssignmentDecided(reseller_id="VAR-FAR"), "d-1"))
    assert [row["reason"] for row in await desk.service.sql("select reason from reject")] == ["already_assigned"]
    assert [found.data.reseller_id for found in await desk.service.published(TenantAssigned)] == [OWN]
