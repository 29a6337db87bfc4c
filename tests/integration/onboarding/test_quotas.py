"""One reseller begins by itself what its quota allows; a person decides about the rest; nobody else waits for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import AssignmentDecided, OrderPlaced, OrderReviewed, Review
from schemas.tenants import AssignmentNeeded, OrderCompleted, OrderFailed, OrderHeld
from services.chassis.clock import ManualClock
from services.local.demo.world import Backend
from services.local.roles import PROVISIONER, ensure_provisioner
from services.onboarding.app import OnboardingSettings, build
from tests.integration.onboarding.scenario import NEAR, NOW, Scenario, event, order
from tests.integration.onboarding.test_senders import OWN, by, later, say
from tests.support import before
from tests.support.databases import PASSWORD
from tests.support.running import running, settings_for

FIRMS, SERVICES, IN_PROGRESS = 3, 6, 4
SENDER = "VAR-LEAKED"


@pytest.fixture
async def scenario(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str
) -> AsyncIterator[Scenario]:
    await ensure_provisioner(superuser_url, PASSWORD)
    settings = await settings_for(
        OnboardingSettings, "onboarding", database, bootstrap, topic_prefix,
        provisioning_url=f"postgresql://{PROVISIONER}:{PASSWORD}@{superuser_url.split('@')[1]}",
        http_driver_allow="127.0.0.1",
        quota_firms_per_day=FIRMS, quota_services_per_day=SERVICES, quota_services_in_progress=IN_PROGRESS,
    )  # fmt: skip
    backend, clock = Backend(), ManualClock(NOW)
    await backend.start()
    async with running(build(settings), clock) as service:
        yield Scenario(service, backend, clock, superuser_url)
    await backend.stop()


async def completed(scenario: Scenario) -> set[str]:
    return {found.data.reference for found in await scenario.service.published(OrderCompleted)}


async def held(scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Reference of each order that was held: its id and why."""
    return {
        f.data.reference: (f.data.order_id, f.data.reason)
        for f in await scenario.service.published(OrderHeld)
    }


def review(tenant: str, order_id: str, decision: Review, id_: str = "r-1") -> Event[Any]:
    return event(
        tenant, OrderReviewed(order_id=order_id, review=decision, reason="we rang them"), id_
    )


async def served(scenario: Scenario) -> str:
    """A tenant of NEAR, which the operator brought in; returns its id."""
    await scenario.know(NEAR)
    placed = by("operator", order("F1", 0, "MAIL-STD"))
    await say(scenario, placed)
    return placed.subject


async def test_invented_firms_beyond_the_quota_get_no_service_and_a_person_decides_about_them(
    scenario: Scenario,
) -> None:
    await scenario.know(NEAR)
    await say(scenario, *(by(SENDER, order(f"F{n}", 0, "MAIL-STD")) for n in range(10)))
    assert len(await completed(scenario)) == FIRMS
    assert {why for _, why in (await held(scenario)).values()} == {"quota_exceeded"}
    assert len(await scenario.service.published(AssignmentNeeded)) == 10 - FIRMS
    assert [
        row["assigned"] for row in await scenario.service.sql("select assigned from reseller")
    ] == [FIRMS]
    # Others are not slowed down by it, the operator least of all.
    await say(
        scenario,
        by(OWN, order("F-own", 0, "MAIL-STD")),
        by("operator", order("F-op", 0, "MAIL-STD")),
    )
    assert {"F-own", "F-op"} <= await completed(scenario)
    # The operator places one of them: its order goes on, whatever the quotas say.
    reference = next(iter(await held(scenario)))
    waiting = by(SENDER, order(reference, 0, "MAIL-STD"))
    await say(scenario, event(waiting.subject, AssignmentDecided(reseller_id=OWN), "d-1"))
    assert reference in await completed(scenario)


async def test_an_order_that_a_person_releases_is_not_stuck_behind_a_change_that_waits_for_it(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    for n in range(7):
        await say(scenario, by(OWN, later(tenant, f"o-{n}")))
    [(reference, (order_id, _))] = (await held(scenario)).items()
    items = [
        {"action": "change", "service_id": identity.service_id(order_id, 0), "quantities": {"mailbox": "9"}}
    ]  # fmt: skip
    change = event(tenant, OrderPlaced.model_validate({"reference": "C", "items": items}), "c-1")
    await scenario.service.publish(by("operator", change))

    async def waits() -> bool:
        return bool(
            await scenario.service.sql(
                "select 1 from job where last_error like '%still being made%'"
            )
        )

    await scenario.service.eventually(waits)
    await scenario.service.publish(review(tenant, order_id, Review.RELEASE))

    async def all_done() -> bool:
        scenario.clock.advance(timedelta(seconds=1))
        return {reference, "C"} <= await completed(scenario)

    await scenario.service.eventually(all_done)


async def test_services_beyond_the_days_quota_wait_and_the_next_day_others_go_on(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    for n in range(8):
        await say(scenario, by(OWN, later(tenant, f"o-{n}")))
    assert len(await completed(scenario) - {"F1"}) == SERVICES
    assert {why for _, why in (await held(scenario)).values()} == {"quota_exceeded"}
    await say(scenario, by("operator", later(tenant, "o-op")))
    assert "o-op" in await completed(scenario)
    scenario.clock.advance(timedelta(days=1, seconds=1))
    await say(scenario, by(OWN, later(tenant, "o-next")))
    assert "o-next" in await completed(scenario)


async def test_orders_that_are_planned_at_one_time_share_what_is_left(scenario: Scenario) -> None:
    await scenario.know(NEAR)
    firms = [by("operator", order(f"F{n}", 0, "MAIL-STD")) for n in range(8)]
    await say(scenario, *firms)
    await say(scenario, *(by(OWN, later(firm.subject, f"o-{n}")) for n, firm in enumerate(firms)))
    begun = len(
        await scenario.service.sql("select 1 from service_instance where ordered_by = $1", OWN)
    )
    assert IN_PROGRESS <= begun <= SERVICES
    assert len(await held(scenario)) == len(firms) - begun


async def test_an_order_larger_than_what_may_be_in_progress_is_held_whole(
    scenario: Scenario,
) -> None:
    tenant = await served(scenario)
    placed = by(OWN, later(tenant, "o-large"))
    items = placed.data.items * (IN_PROGRESS + 1)
    await say(scenario, replace(placed, data=placed.data.model_copy(update={"items": items})))
    assert (await held(scenario))["o-large"][1] == "quota_exceeded"
    assert (
        await scenario.service.sql(
            "select 1 from service_instance where ordered_by is not null and ordered_by <> 'operator'"
        )
        == []
    )


@pytest.mark.parametrize("decision", list(Review), ids=str)
async def test_a_held_order_goes_on_or_ends_as_the_operator_decides_once(
    scenario: Scenario, decision: Review
) -> None:
    tenant = await served(scenario)
    for n in range(SERVICES + 1):
        await say(scenario, by(OWN, later(tenant, f"o-{n}")))
    ((order_id, _),) = (await held(scenario)).values()
    await say(
        scenario, review(tenant, order_id, decision), review(tenant, order_id, decision, "r-2")
    )
    if decision is Review.RELEASE:
        assert f"o-{SERVICES}" in await completed(scenario)
    else:
        (ended,) = await scenario.service.published(OrderFailed)
        assert (ended.data.order_id, ended.data.reason, ended.data.explanation) == (
            order_id,
            "refused",
            "we rang them",
        )
        assert (
            await scenario.service.sql(
                "select 1 from service_instance where order_id = $1", order_id
            )
            == []
        )
    assert [row["reason"] for row in await scenario.service.sql("select reason from reject")] == [
        "order_not_held"
    ]


@pytest.mark.parametrize("decision", list(Review), ids=str)
async def test_an_order_that_waits_for_something_else_is_not_released_but_can_be_refused(
    scenario: Scenario, decision: Review
) -> None:
    await scenario.know({**NEAR, "capacity": 0})
    placed = by("operator", order("F1", 0, "MAIL-STD"))
    await say(scenario, placed)
    ((order_id, why),) = (await held(scenario)).values()
    assert why == "assignment.manual_required"
    await say(scenario, review(placed.subject, order_id, decision))
    rejected = [row["reason"] for row in await scenario.service.sql("select reason from reject")]
    failed = [found.data.reason for found in await scenario.service.published(OrderFailed)]
    assert (rejected, failed) == (
        (["assignment_needed"], []) if decision is Review.RELEASE else ([], ["refused"])
    )


async def test_a_home_of_before_starts_and_its_services_count_for_nobody(
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
            " values ('o', 't', 'r', 'held', now(), now(), 0)"
        )
    async with before.upgraded("onboarding", settings) as db:
        assert await db.fetchval("select released from service_order") is False
