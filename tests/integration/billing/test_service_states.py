"""A service in trial, suspended, resumed and ended: its fees, its usage, its levels; previewed as it is billed."""

import copy
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.envelope import Event
from schemas.scalars import rfc3339
from schemas.tenants import ServiceEnded, ServiceResumed, ServiceSuspended
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    issued,
    open_scenario,
    run_until,
    told,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.integration.billing.test_preview import PREVIEW, billed, previewed
from tests.support.catalogue import CATALOGUE

SKUS = {ERP: "ERP-CLOUD", MAIL: "MAIL-STD"}


def sold(trial_days: int = 0) -> dict[str, Any]:
    """The example catalogue; ERP-CLOUD's base is paused while suspended, and MAIL-STD has a trial."""
    content: dict[str, Any] = copy.deepcopy(CATALOGUE)
    for plan in content["plans"]:
        if plan["sku"] == "MAIL-STD":
            plan["trial_days"] = trial_days
        for price in plan["recurring"]:
            price["paused"] = (plan["sku"], price["code"]) == ("ERP-CLOUD", "base")
    return content


def suspended(at: datetime, service_id: str = ERP) -> Event[Any]:
    data = ServiceSuspended(
        service_id=service_id, sku=SKUS[service_id], effective_at=at, reason="requested"
    )
    return fact(data, f"suspended-{service_id}-{at}")


def resumed(at: datetime, service_id: str = ERP) -> Event[Any]:
    data = ServiceResumed(service_id=service_id, sku=SKUS[service_id], effective_at=at)
    return fact(data, f"resumed-{service_id}-{at}")


def ended(at: datetime, service_id: str = ERP) -> Event[Any]:
    data = ServiceEnded(
        service_id=service_id, sku=SKUS[service_id], effective_at=at, reason="requested"
    )
    return fact(data, f"ended-{service_id}-{at}")


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        yield found


async def test_only_what_the_plan_pauses_stops_while_a_service_is_suspended(
    scenario: Scenario,
) -> None:
    await scenario.publish(
        catalogue(sold()), activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="2")
    )
    await run_until(scenario, "2026-11-01", "2026-12-01")
    at, until = day("2026-12-11", 10), day("2026-12-21", 10)
    asked = [
        {"service_id": ERP, "quantities": None, "effective_at": rfc3339(at), "state": "suspended"},
        {"service_id": ERP, "quantities": None, "effective_at": rfc3339(until), "state": "active"},
    ]
    _, expected = await previewed(scenario, changes=asked)
    await scenario.publish(suspended(at), resumed(until))
    await run_until(scenario, "2027-01-01")
    assert await billed(scenario, "2027-01-01") == expected
    base = await told(scenario, "2027-01-01", "ERP-CLOUD/base")
    assert [line[:2] for line in base] == [("2027-01-01", "1"), ("2026-12-11", "1")]
    assert base[1][2].startswith("-")
    users = await told(scenario, "2027-01-01", "ERP-CLOUD/extra_user")
    assert [line[:2] for line in users] == [("2027-01-01", "2")]
    assert await audited(scenario) == []


async def test_a_trial_costs_no_fees_and_then_all_of_them_and_usage_costs_from_the_start(
    scenario: Scenario,
) -> None:
    await scenario.publish(
        catalogue(sold(trial_days=45)), activated(MAIL, "MAIL-STD", 0, base="0", mailbox="12")
    )
    await scenario.publish(used("level", day("2026-11-01", 2), MAIL, STORAGE, quantity="1000"))
    await run_until(scenario, "2026-11-01", "2026-12-01")
    assert await issued(scenario, "2026-11-01") is None
    december = await issued(scenario, "2026-12-01")
    assert december is not None
    assert {line.sku for line in december.lines} == {
        "MAIL-STD/mailbox",
        f"MAIL-STD/{_storage()}",
    }
    boxes = await told(scenario, "2026-12-01", "MAIL-STD/mailbox")
    assert [line[:2] for line in boxes] == [("2026-12-16", "12")]
    await run_until(scenario, "2027-01-01")
    boxes = await told(scenario, "2027-01-01", "MAIL-STD/mailbox")
    assert [line[:2] for line in boxes] == [("2027-01-01", "12")]
    assert await audited(scenario, compared=15, numbered=2) == []


def _storage() -> str:
    [mail] = [plan for plan in CATALOGUE["plans"] if plan["sku"] == "MAIL-STD"]
    [code] = [price["code"] for price in mail["usage"] if price["meter"] == STORAGE]
    return str(code)


async def test_an_end_is_billed_as_it_was_previewed_and_no_level_lasts_beyond_it(
    scenario: Scenario,
) -> None:
    await scenario.publish(
        catalogue(sold()), activated(MAIL, "MAIL-STD", 0, base="0", mailbox="2"),
        used("level", day("2026-11-01", 2), MAIL, STORAGE, quantity="1000"),
    )  # fmt: skip
    await run_until(scenario, "2026-11-01", "2026-12-01")
    at = day("2026-12-16")
    asked = {"service_id": MAIL, "quantities": None, "effective_at": rfc3339(at)}
    boundary, expected = await previewed(scenario, changes=[asked])
    await scenario.publish(ended(at, MAIL))
    assert await previewed(scenario) == (boundary, expected)
    for more in ({"quantities": None}, {"quantities": {"mailbox": "5"}}):
        status, problem = await scenario.post(PREVIEW, {"changes": [{**asked, **more}]})
        assert (status, problem["errors"][0]["reason"]) == (409, "ended")
    two = {**asked, "quantities": {"mailbox": "5"}, "state": "suspended"}
    assert (await scenario.post(PREVIEW, {"changes": [two]}))[0] == 422
    await run_until(scenario, "2027-01-01")
    assert await billed(scenario, "2027-01-01") == expected
    levels = await told(scenario, "2027-01-01", f"MAIL-STD/{_storage()}")
    [whole] = await told(scenario, "2026-12-01", f"MAIL-STD/{_storage()}")
    assert len(levels) == 1
    assert float(levels[0][1]) < 0.6 * float(whole[1])
    await run_until(scenario, "2027-02-01")
    assert await billed(scenario, "2027-02-01") == []
    assert await audited(scenario) == []


async def test_usage_of_a_service_that_had_ended_is_refused_and_what_came_before_is_given_back(
    scenario: Scenario,
) -> None:
    """The end arrives late: usage up to it counts, usage from it on does not, whenever it arrives."""
    await scenario.publish(
        catalogue(sold()), activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="1"),
        activated(MAIL, "MAIL-STD", 1, base="0", mailbox="2"),
    )  # fmt: skip
    levels = [
        used(f"level-{n}", day("2026-11-02", 24 * n), MAIL, STORAGE, quantity=str(300 + n))
        for n in range(9)
    ]
    await run_until(scenario, "2026-11-01")
    scenario.clock.set(day("2026-11-25"))
    await scenario.publish(*levels)
    at = day("2026-11-20")
    documents = [used(f"in-time-{n}", at - timedelta(hours=2), value=f"a{n}") for n in range(60)]
    too_late = [used(f"beyond-{n}", at + timedelta(hours=2), value=f"b{n}") for n in range(60)]
    await scenario.publish(*documents, *too_late)
    await scenario.publish(ended(at))
    await scenario.publish(
        used("late", at - timedelta(hours=1), value="late"), used("refused", at, value="refused")
    )
    assert (await scenario.account())["rejected", "ended"] == 1
    scenario.clock.set(day("2026-11-26"))
    answer = await scenario.get(
        f"/v1/tenants/{TENANT}/may", service_id=ERP, meter="e_invoices", quantity="1"
    )
    assert (answer["allowed"], answer["reason"]) == (False, "ended")
    status, problem = await scenario.get(f"/v1/tenants/{TENANT}/cost", month="2026-11")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/month")
    cost = await scenario.get(f"/v1/tenants/{TENANT}/cost")
    [usage] = [one for one in cost["currencies"][0]["services"] if one["service_id"] == ERP]
    assert usage["usage"] == usage["usage_forecast"]
    await run_until(scenario, "2026-12-01")
    document = await issued(scenario, "2026-12-01")
    assert document is not None
    given_back = [line for line in document.lines if line.service_id == ERP and line.net < 0]
    assert {line.sku for line in given_back} == {"ERP-CLOUD/base", "ERP-CLOUD/extra_user"}
    assert {str(line.period_from) for line in given_back} == {"2026-11-20"}
    assert await audited(scenario, numbered=2) == []
