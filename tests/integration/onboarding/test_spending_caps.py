"""A hard cap that is reached suspends what the plan allows; a new month or a higher cap lets it serve again."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from schemas.billing import CapReached, CapSet, TenantCapReached, TenantCapSet
from schemas.envelope import Event
from schemas.tenants import OrderFailed, ServiceActivated, ServiceResumed, ServiceSuspended
from tests.integration.onboarding.ordering import RETENTION, do, served, stands
from tests.integration.onboarding.scenario import NEAR, Scenario, event

MONTH = {"month": "2026-11-01"}
NEXT_MONTH = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
"""The first of December, by the clocks of Italy."""


def of_service(active: Event[ServiceActivated], percent: int = 100, **more: Any) -> CapReached:
    return CapReached.model_validate({
        "service_id": active.data.service_id, "meters": ["minutes"], "amount": "10.00", "hard": True, "spent": "12.00",
        "percent": percent, "reseller_id": NEAR["id"], **MONTH, **more,
    })  # fmt: skip


def of_month(**more: Any) -> TenantCapReached:
    return TenantCapReached.model_validate({
        "currency": "EUR", "amount": "100.00", "hard": True, "spent": "101.00", "percent": 100, "reseller_id": NEAR["id"],
        **MONTH, **more,
    })  # fmt: skip


def changed(
    active: Event[ServiceActivated], amount: str | None, spent: str | None = "12.00", **more: Any
) -> CapSet:
    return CapSet.model_validate({
        "service_id": active.data.service_id, "meters": ["minutes"], "amount": amount, "since": "2026-11-01",
        "spent": spent, **more,
    })  # fmt: skip


async def say(scenario: Scenario, active: Event[ServiceActivated], *data: Any) -> None:
    await scenario.service.publish(*(event(active.subject, one, str(uuid4())) for one in data))
    await scenario.service.settled()


async def both(scenario: Scenario) -> tuple[Event[ServiceActivated], Event[ServiceActivated]]:
    """A firm with two services; the plan of the first one is suspended at a cap."""
    mail, erp = await served(scenario, "MAIL-STD", "ERP-CLOUD")
    await scenario.service.sql(
        "update service_instance set plan = jsonb_set(plan, '{suspend_at_cap}', 'true') where id = $1",
        mail.data.service_id,
    )
    return mail, erp


@pytest.mark.parametrize("kind", ["of the service", "of the month"])
async def test_a_reached_cap_suspends_what_the_plan_allows_until_the_month_ends(
    scenario: Scenario, kind: str
) -> None:
    mail, erp = await both(scenario)
    await say(scenario, mail, of_service(mail) if kind == "of the service" else of_month())
    (suspended,) = await scenario.service.published(ServiceSuspended)
    assert (suspended.data.service_id, suspended.data.reason) == (
        mail.data.service_id,
        "cap_reached",
    )
    assert scenario.backend.services[mail.data.service_id]["state"] == "suspended"
    assert await stands(scenario, erp.data.service_id) == "active"
    scenario.clock.set(NEXT_MONTH)
    await scenario.service.settled()
    (resumed,) = await scenario.service.published(ServiceResumed)
    assert resumed.data.effective_at == NEXT_MONTH
    assert await stands(scenario, mail.data.service_id) == "active"


@pytest.mark.parametrize(
    "said",
    [{"percent": 80}, {"hard": False}, {"month": "2026-10-01"}],
    ids=["not all", "soft", "a month that is over"],
)
async def test_nothing_is_suspended_before_all_of_a_hard_cap_is_spent(
    scenario: Scenario, said: dict[str, Any]
) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail, **said), of_month(**said))
    assert not await scenario.service.published(ServiceSuspended)


async def test_a_higher_cap_lets_it_serve_again_a_lower_one_does_not(scenario: Scenario) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail))
    await say(
        scenario,
        mail,
        changed(mail, "5.00"),
        changed(mail, "50.00", since="2026-12-01", spent=None),
    )
    assert await stands(scenario, mail.data.service_id) == "suspended"
    await say(scenario, mail, changed(mail, "50.00"))
    assert await stands(scenario, mail.data.service_id) == "active"
    await say(scenario, mail, of_service(mail, amount="50.00", spent="50.00"))
    assert await stands(scenario, mail.data.service_id) == "suspended"
    await say(scenario, mail, changed(mail, None))
    assert await stands(scenario, mail.data.service_id) == "active"


async def test_a_soft_cap_that_was_passed_suspends_once_it_is_hard(scenario: Scenario) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail, hard=False))
    assert await stands(scenario, mail.data.service_id) == "active"
    await say(scenario, mail, changed(mail, "10.00", hard=True))
    assert await stands(scenario, mail.data.service_id) == "suspended"
    await say(scenario, mail, changed(mail, "10.00", hard=False))
    assert await stands(scenario, mail.data.service_id) == "active"


async def test_a_cap_of_the_new_month_does_not_hold_back_what_the_month_before_suspended(
    scenario: Scenario,
) -> None:
    """What is reached in the new month is heard of before the job that begins it has run."""
    mail, erp = await both(scenario)
    await scenario.service.sql(
        "update service_instance set plan = jsonb_set(plan, '{suspend_at_cap}', 'true')"
    )
    await say(scenario, mail, of_service(mail))
    scenario.clock.set(NEXT_MONTH)
    await scenario.service.publish(
        event(mail.subject, of_service(erp, month="2026-12-01"), "december")
    )
    await scenario.service.settled()
    assert await stands(scenario, mail.data.service_id) == "active"
    assert await stands(scenario, erp.data.service_id) == "suspended"


async def test_of_two_reached_caps_both_must_have_room(scenario: Scenario) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail), of_month())
    assert len(await scenario.service.published(ServiceSuspended)) == 1
    await say(scenario, mail, changed(mail, "50.00"))
    assert await stands(scenario, mail.data.service_id) == "suspended"
    room = TenantCapSet(
        currency="EUR", amount=Decimal(200), hard=True, since=of_month().month, spent=Decimal(101)
    )
    await say(scenario, mail, room)
    assert await stands(scenario, mail.data.service_id) == "active"


async def test_nobody_else_resumes_it_and_who_wants_it_suspended_keeps_it_so(
    scenario: Scenario,
) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail))
    await do(scenario, mail, "resume")
    (failed,) = await scenario.service.published(OrderFailed)
    assert failed.data.reason == "cap_reached"
    await do(scenario, mail, "suspend")
    scenario.clock.set(NEXT_MONTH)
    await scenario.service.settled()
    assert await stands(scenario, mail.data.service_id) == "suspended"
    await do(scenario, mail, "resume")
    assert await stands(scenario, mail.data.service_id) == "active"


async def test_a_firm_leaves_while_its_cap_is_reached(scenario: Scenario) -> None:
    mail, _ = await both(scenario)
    await say(scenario, mail, of_service(mail))
    await do(scenario, mail, "end")
    scenario.clock.advance(2 * RETENTION)
    await scenario.service.settled()
    assert await stands(scenario, mail.data.service_id) == "removed"
    assert not await scenario.service.published(ServiceResumed)
