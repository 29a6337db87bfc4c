"""A spending cap: the bill is never above a hard one, and how much of it is spent is reported in time."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import CapForeseen, CapReached, CapSet, InvoiceIssued
from tests.integration.billing.scenario import (
    ERP,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
    run_until,
    shared_scenario,
    used,
)
from tests.support.catalogue import CATALOGUE, PLANS
from tests.support.servers import Addresses

VOIP = ERP
CAPS = f"/v1/tenants/{TENANT}/caps"
METERS = ["minutes_fixed", "minutes_mobile"]


def cap(**said: Any) -> dict[str, Any]:
    return {"service_id": VOIP, "meters": METERS, "amount": "12.00", **said}


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        await found.publish(activated(VOIP, "VOIP-PBX", 0, extension="1"))
        yield found


@pytest.fixture(scope="module")
async def capped(addresses: Addresses) -> AsyncIterator[Scenario]:
    """With a cap that no test of it changes."""
    async with shared_scenario(addresses) as found:
        await found.publish(catalogue(CATALOGUE))
        await found.publish(activated(VOIP, "VOIP-PBX", 0, extension="1"))
        await found.put(CAPS, cap())
        yield found


async def talk(scenario: Scenario, name: str, minutes: str, days: float = 1) -> None:
    """Mobile minutes: 0.045 each."""
    at = START + timedelta(days)
    await scenario.publish(used(name, at, VOIP, "minutes_mobile", quantity=minutes))


async def nets(scenario: Scenario, boundary: str) -> list[tuple[str, str, str]]:
    return [
        (line.sku, str(line.period_from), str(line.net))
        for event in await scenario.service.published(InvoiceIssued)
        if str(event.data.date) == boundary
        for line in event.data.lines
        if line.sku != "VOIP-PBX/extension"
    ]


async def test_late_usage_stays_below_a_hard_cap(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, cap()) == (204, None)
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "m1", "200")
    await run_until(scenario, "2026-12-01")
    assert await nets(scenario, "2026-12-01") == [("VOIP-PBX/minutes_mobile", "2026-11-01", "9.00")]
    await talk(scenario, "m2", "100", 2)
    await run_until(scenario, "2027-01-01")
    assert await nets(scenario, "2027-01-01") == [
        ("VOIP-PBX/minutes_mobile", "2026-11-01", "4.50"),
        ("VOIP-PBX/cap", "2026-11-01", "-1.50"),
    ]
    await talk(scenario, "m3", "100", 3)
    await run_until(scenario, "2027-02-01")
    assert await nets(scenario, "2027-02-01") == [
        ("VOIP-PBX/minutes_mobile", "2026-11-01", "4.50"),
        ("VOIP-PBX/cap", "2026-11-01", "-4.50"),
    ]


async def test_a_cap_lowered_below_what_is_spent_holds_from_now_on(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "m1", "200")
    assert await scenario.put(CAPS, cap(amount="5.00")) == (204, None)
    assert await scenario.get(CAPS) == [
        {"service_id": VOIP, "meters": METERS, "amount": "9.00", "hard": True, "since": "2026-11-01", "spent": "9.00"}
    ]  # fmt: skip
    await talk(scenario, "m2", "200", 2)
    await run_until(scenario, "2026-12-01")
    assert await nets(scenario, "2026-12-01") == [
        ("VOIP-PBX/minutes_mobile", "2026-11-01", "18.00"),
        ("VOIP-PBX/cap", "2026-11-01", "-9.00"),
    ]
    await scenario.publish(used("m3", day("2026-12-02"), VOIP, "minutes_mobile", quantity="200"))
    await run_until(scenario, "2027-01-01")
    assert ("VOIP-PBX/cap", "2026-12-01", "-4.00") in await nets(scenario, "2027-01-01")


async def test_each_share_is_told_once(scenario: Scenario) -> None:
    await scenario.put(CAPS, cap(hard=False))
    for n, (minutes, told) in enumerate(
        [("100", []), ("60", [50]), ("200", [50, 100]), ("9", [50, 100])]
    ):
        await talk(scenario, f"m{n}", minutes, n / 24)
        scenario.clock.set(START + timedelta(hours=3 + 2 * n))
        await scenario.service.settled()
        found = await scenario.service.published(CapReached)
        assert [event.data.percent for event in found] == told
    await run_until(scenario, "2026-12-01")
    assert all(sku != "VOIP-PBX/cap" for sku, _, _ in await nets(scenario, "2026-12-01"))  # fmt: skip


async def test_the_shares_of_a_higher_cap_are_told_anew_and_those_that_hold_are_not(
    scenario: Scenario,
) -> None:
    """Mobile minutes come to 9.00, 18.00 and 27.00."""
    await scenario.put(CAPS, cap())
    hours = iter(range(1, 100))

    async def told() -> list[tuple[str, int]]:
        scenario.clock.set(START + timedelta(hours=2 * next(hours)))
        await scenario.service.settled()
        found = await scenario.service.published(CapReached)
        return [(str(event.data.amount), event.data.percent) for event in found]

    await talk(scenario, "m1", "400", 0)
    assert await told() == [("12.00", 100)]
    await scenario.put(CAPS, cap(amount="30.00"))
    assert await told() == [("12.00", 100)], "half of it was told"
    await talk(scenario, "m2", "200", 1 / 24)
    assert await told() == [("12.00", 100), ("30.00", 80)]
    await scenario.put(CAPS, cap(amount="30.00"))
    assert await told() == [("12.00", 100), ("30.00", 80)], "the same cap says nothing new"
    await scenario.put(CAPS, cap(amount="20.00"))
    assert (await told())[2:] == [("27.00", 100)], "lowered, it is what is spent"
    said = [
        (event.data.amount, event.data.spent) for event in await scenario.service.published(CapSet)
    ]
    assert said[1:] == [
        (Decimal(30), Decimal(18)),
        (Decimal(30), Decimal(27)),
        (Decimal(20), Decimal(27)),
    ]


async def test_a_lifted_cap_bounds_nothing(scenario: Scenario) -> None:
    await scenario.put(CAPS, cap())
    await scenario.put(CAPS, cap(amount=None))
    assert await scenario.get(CAPS) == []
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "m1", "400")
    await run_until(scenario, "2026-12-01")
    assert await nets(scenario, "2026-12-01") == [
        ("VOIP-PBX/minutes_mobile", "2026-11-01", "18.00")
    ]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "below zero": ({"amount": "-1.00"}, "/amount", "cap_range"),
    "beyond all sums": ({"amount": "1000000001"}, "/amount", "cap_range"),
    "finer than a cent": ({"amount": "12.005"}, "/amount", "minor_unit"),
    "no amount at all": ({"amount": "ten"}, "/amount", "bad_data"),
    "a meter that is not priced": ({"meters": ["orders"]}, "/meters", "unknown_meter"),
    "no meter": ({"meters": []}, "/meters", "bad_data"),
    "a meter twice": ({"meters": ["minutes_fixed"] * 2}, "/meters", "meter_twice"),
    "within a month": ({"since": "2026-11-15"}, "/since", "cap_range"),
    "a month that is over": ({"since": "2026-10-01"}, "/since", "retroactive"),
    "a meter of another cap": ({"meters": ["minutes_fixed"]}, "/meters", "meter_twice"),
    "a word we do not know": ({"limit": 3}, "/limit", "bad_data"),
}


@pytest.mark.parametrize(("said", "pointer", "reason"), BAD.values(), ids=BAD)
async def test_a_bad_cap_is_refused_and_changes_nothing(
    capped: Scenario, said: dict[str, Any], pointer: str, reason: str
) -> None:
    before = await capped.get(CAPS)
    status, answer = await capped.put(CAPS, cap(**said))
    assert status == 422
    assert [(fault["pointer"], fault["reason"]) for fault in answer["errors"]] == [
        (pointer, reason)
    ]
    assert await capped.get(CAPS) == before
    assert len(await capped.service.published(CapSet)) == 1


async def test_a_cap_of_nobody_is_not_found(scenario: Scenario) -> None:
    status, _ = await scenario.put(CAPS, cap(service_id=TENANT))
    assert status == 404
    status, _ = await scenario.put("/v1/tenants/nobody/caps", cap())
    assert status == 404


async def test_a_month_shows_what_it_costs_and_what_it_will_come_to(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-11-16"))
    await talk(scenario, "m1", "100", 2)
    path = f"/v1/tenants/{TENANT}/cost"
    [month] = (await scenario.get(path))["currencies"]
    fee = PLANS["VOIP-PBX"].recurring[0].price
    assert fee is not None
    assert month == {
        "currency": "EUR", "fees": str(fee), "usage": "4.50", "cost": str(fee + Decimal("4.50")), "usage_forecast": "9.00",
        "forecast": str(fee + Decimal("9.00")),
        "services": [{"service_id": VOIP, "sku": "VOIP-PBX", "fees": str(fee), "usage": "4.50", "usage_forecast": "9.00"}],
    }  # fmt: skip
    assert await scenario.put(CAPS, cap(amount="7.00")) == (204, None)
    [month] = (await scenario.get(path))["currencies"]
    assert (month["usage"], month["usage_forecast"]) == ("4.50", "7.00")
    assert (await scenario.get("/v1/tenants/99999999-1111-1111-1111-111111111111/cost"))[0] == 404


async def test_a_cap_that_will_be_passed_is_told_once_and_not_in_the_first_days(
    scenario: Scenario,
) -> None:
    async def foreseen() -> list[tuple[str, str]]:
        return [
            (str(event.data.spent), str(event.data.forecast))
            for event in await scenario.service.published(CapForeseen)
        ]

    assert await scenario.put(CAPS, cap(amount="7.00")) == (204, None)
    scenario.clock.set(day("2026-11-03", 12))
    await talk(scenario, "m1", "60", 1)
    scenario.clock.set(day("2026-11-03", 14))
    await scenario.service.settled()
    assert await foreseen() == []
    scenario.clock.set(day("2026-11-07"))
    await scenario.service.settled()
    assert await foreseen() == [("2.70", "13.50")]
    scenario.clock.set(day("2026-11-12"))
    await scenario.service.settled()
    assert len(await foreseen()) == 1
