"""A cap on the whole month: no month of a tenant costs more, over all its services, whatever comes late."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import (
    InvoiceIssued,
    TenantCapForeseen,
    TenantCapReached,
    TenantCapSet,
)
from schemas.tenants import ServiceChanged
from services.billing.usecases.explain_invoice import explain_invoice
from services.chassis.database import connect
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    open_scenario,
    run_until,
    shared_scenario,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.integration.billing.test_caps import CAPS, cap
from tests.integration.billing.test_reservations import MAY, RESERVE, answered
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses

FIRST, SECOND = ERP, MAIL
"""Two telephone systems: 7.50 a month each, 0.045 a mobile minute."""


def whole(amount: str | None, **said: Any) -> dict[str, Any]:
    return {"amount": amount, **said}


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await _two_services(found)
        yield found


@pytest.fixture(scope="module")
async def capped(addresses: Addresses) -> AsyncIterator[Scenario]:
    """With a cap that no test of it changes."""
    async with shared_scenario(addresses) as found:
        await _two_services(found)
        assert await found.put(CAPS, whole("30.00")) == (204, None)
        yield found


async def _two_services(scenario: Scenario) -> None:
    await scenario.publish(catalogue(CATALOGUE))
    await scenario.publish(
        activated(FIRST, "VOIP-PBX", 0, extension="1"), activated(SECOND, "VOIP-PBX", 1, extension="1")
    )  # fmt: skip


async def talk(scenario: Scenario, name: str, service_id: str, minutes: str, days: float) -> None:
    at = START + timedelta(days)
    await scenario.publish(used(name, at, service_id, "minutes_mobile", quantity=minutes))


async def november(scenario: Scenario) -> None:
    """9.00 of calls by the first, 18.00 by the second, and the run after the month."""
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "a1", FIRST, "200", 1)
    await talk(scenario, "b1", SECOND, "400", 1)
    await run_until(scenario, "2026-12-01")


async def lines(
    scenario: Scenario, boundary: str, tipo: str = "TD01"
) -> list[tuple[str, str, str]]:
    """Usage and what caps take off: whose, of what, how much."""
    names = {FIRST: "first", SECOND: "second"}
    return [
        (names[line.service_id], line.sku.partition("/")[2], str(line.net))
        for event in await scenario.service.published(InvoiceIssued)
        if (str(event.data.date), event.data.tipo_documento) == (boundary, tipo)
        for line in event.data.lines if line.sku != "VOIP-PBX/extension"
    ]  # fmt: skip


async def cost_of_november(scenario: Scenario) -> Decimal:
    """What all documents say of it, credit notes taken off."""
    return sum(
        (
            line.net * (-1 if event.data.tipo_documento == "TD04" else 1)
            for event in await scenario.service.published(InvoiceIssued)
            for line in event.data.lines if f"{line.period_from:%Y-%m}" == "2026-11"
        ), Decimal(0),
    )  # fmt: skip


async def test_a_month_costs_no_more_over_all_services_whatever_comes_late(
    scenario: Scenario,
) -> None:
    assert await scenario.put(CAPS, whole("30.00")) == (204, None)
    await november(scenario)
    assert await lines(scenario, "2026-12-01") == [
        ("first", "minutes_mobile", "9.00"), ("first", "tenant-cap", "-4.00"),
        ("second", "minutes_mobile", "18.00"), ("second", "tenant-cap", "-8.00"),
    ]  # fmt: skip
    assert await cost_of_november(scenario) == Decimal("30.00")
    await talk(scenario, "a2", FIRST, "200", 2)
    await run_until(scenario, "2027-01-01")
    assert await lines(scenario, "2027-01-01") == [
        ("first", "minutes_mobile", "9.00"), ("first", "tenant-cap", "-6.50"), ("second", "tenant-cap", "-2.50")
    ]  # fmt: skip
    assert await cost_of_november(scenario) == Decimal("30.00")
    assert await audited(scenario, compared=10, numbered=2) == []


async def test_what_is_given_back_frees_the_cap(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, whole("30.00")) == (204, None)
    await november(scenario)
    path, said = (
        f"/v1/tenants/{TENANT}/usage/retract",
        {"source": "/test", "id": "b1", "reason": "counted twice"},
    )
    assert await scenario.post(path, said) == (200, {"retracted": True})
    await scenario.service.settled()
    await run_until(scenario, "2027-01-01")
    assert await cost_of_november(scenario) == Decimal("24.00")
    assert await audited(scenario, compared=10, numbered=2) == []


async def test_fees_that_come_late_are_owed_and_usage_gives_way(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, whole("30.00")) == (204, None)
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "a1", FIRST, "600", 1)
    await run_until(scenario, "2026-12-01")
    assert await cost_of_november(scenario) == Decimal("30.00")
    more = {
        "service_id": FIRST,
        "sku": "VOIP-PBX",
        "order_id": TENANT,
        "effective_at": START,
        "quantities": {"extension": "2"},
    }
    await scenario.publish(fact(ServiceChanged.model_validate(more), "more"))
    await run_until(scenario, "2027-01-01")
    assert await cost_of_november(scenario) == Decimal("30.00")
    more["quantities"] = {"extension": "9"}
    await scenario.publish(fact(ServiceChanged.model_validate(more), "much more"))
    await run_until(scenario, "2027-02-01")
    assert await cost_of_november(scenario) == 10 * Decimal("7.50"), "fees are owed, usage is not"
    assert await audited(scenario, compared=10, numbered=3) == []


async def test_a_cap_of_meters_comes_first(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, cap(amount="6.00")) == (204, None)
    assert await scenario.put(CAPS, whole("30.00")) == (204, None)
    await november(scenario)
    assert await lines(scenario, "2026-12-01") == [
        ("first", "minutes_mobile", "9.00"), ("first", "cap", "-3.00"), ("first", "tenant-cap", "-2.25"),
        ("second", "minutes_mobile", "18.00"), ("second", "tenant-cap", "-6.75"),
    ]  # fmt: skip
    assert await audited(scenario, compared=10, numbered=1) == []


async def test_a_line_says_what_it_keeps_to(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, whole("30.00")) == (204, None)
    scenario.clock.set(day("2026-11-20"))
    await talk(scenario, "a1", FIRST, "600", 1)
    await run_until(scenario, "2026-12-01")
    [issued] = [event.data for event in await scenario.service.published(InvoiceIssued)]
    db = await connect(scenario.url, "billing", "test")
    try:
        explained = await explain_invoice(db, issued.number)
    finally:
        await db.close()
    [said] = [line for line in explained["lines"] if line["sku"] == "VOIP-PBX/tenant-cap"]
    assert said["cap"] == {"of": "fees and usage of the tenant", "amount": "30.00"}


async def test_a_back_end_is_told_what_the_whole_month_leaves(scenario: Scenario) -> None:
    asked = {"service_id": FIRST, "meter": "minutes_mobile"}
    assert await scenario.put(CAPS, whole("24.00", hard=False)) == (204, None)
    assert answered(await scenario.get(MAY, **asked)) == (True, None, None)
    assert await scenario.put(CAPS, whole("24.00")) == (204, None)
    scenario.clock.set(day("2026-11-10"))
    await talk(scenario, "b1", SECOND, "150", 1)
    assert answered(await scenario.get(MAY, **asked, quantity="50")) == (True, None, "2.25")
    assert answered(await scenario.get(MAY, **asked, quantity="51")) == (False, "cap_reached", "2.25")  # fmt: skip
    of_both = [(FIRST, n) for n in range(20)] + [(SECOND, n) for n in range(20)]
    found = await asyncio.gather(*(
        scenario.post(RESERVE, {**asked, "service_id": who, "quantity": "30", "key": f"{who}{n}"}) for who, n in of_both
    ))  # fmt: skip
    assert sorted(answered(one)[0] for one in found) == [False] * 39 + [True]


async def test_shares_and_forecasts_are_told_once(scenario: Scenario) -> None:
    async def told(kind: type[TenantCapReached | TenantCapForeseen]) -> list[tuple[str, Any]]:
        return [
            (str(event.data.spent), event.data.percent if isinstance(event.data, TenantCapReached) else str(event.data.forecast))
            for event in await scenario.service.published(kind)
        ]  # fmt: skip

    assert await scenario.put(CAPS, whole("25.00", hard=False)) == (204, None)
    await scenario.service.settled()
    assert await told(TenantCapReached) == [("15.00", 50)], "fees count from the first day"
    scenario.clock.set(day("2026-11-10"))
    await talk(scenario, "a1", FIRST, "120", 5)
    scenario.clock.advance(timedelta(minutes=20))
    await scenario.service.settled()
    assert await told(TenantCapReached) == [("15.00", 50), ("20.40", 80)]
    [(spent, forecast)] = await told(TenantCapForeseen)
    assert (spent, Decimal(forecast) > 25) == ("20.40", True)
    await talk(scenario, "a2", FIRST, "200", 6)
    scenario.clock.advance(timedelta(days=1))
    await scenario.service.settled()
    assert (await told(TenantCapReached))[2:] == [("29.40", 100)]
    assert len(await told(TenantCapForeseen)) == 1
    assert await scenario.put(CAPS, whole("36.00", hard=False)) == (204, None)
    scenario.clock.advance(timedelta(minutes=20))
    await scenario.service.settled()
    assert (await told(TenantCapReached))[3:] == [], "of the higher one four fifths were told"
    await talk(scenario, "a3", FIRST, "200", 7)
    scenario.clock.advance(timedelta(days=1))
    await scenario.service.settled()
    assert (await told(TenantCapReached))[3:] == [("38.40", 100)]
    await run_until(scenario, "2026-12-01")
    assert await cost_of_november(scenario) == Decimal("38.40"), "a soft cap takes nothing off"


async def test_caps_and_cost_show_the_whole_month(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, whole("20.00")) == (204, None)
    scenario.clock.set(day("2026-11-16"))
    await talk(scenario, "a1", FIRST, "200", 2)
    [shown] = await scenario.get(CAPS)
    assert shown == {
        "service_id": None, "meters": [], "amount": "20.00", "hard": True, "since": "2026-11-01", "spent": "24.00",
        "currency": "EUR",
    }  # fmt: skip
    [month] = (await scenario.get(f"/v1/tenants/{TENANT}/cost"))["currencies"]
    assert (month["fees"], month["usage"], month["cost"], month["forecast"]) == (
        "15.00", "5.00", "20.00", "20.00"
    )  # fmt: skip
    assert await scenario.put(CAPS, whole(None)) == (204, None)
    assert await scenario.get(CAPS) == []
    [month] = (await scenario.get(f"/v1/tenants/{TENANT}/cost"))["currencies"]
    assert month["cost"] == "24.00"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "below the fees": (whole("14.99"), "/amount", "cap_below_fees"),
    "below the fees of a later month": (whole("14.99", since="2027-01-01"), "/amount", "cap_below_fees"),
    "below zero": (whole("-1.00"), "/amount", "cap_range"),
    "beyond all sums": (whole("1000000001"), "/amount", "cap_range"),
    "finer than a cent": (whole("30.005"), "/amount", "minor_unit"),
    "within a month": (whole("30.00", since="2026-11-15"), "/since", "cap_range"),
    "a month that is over": (whole("30.00", since="2026-10-01"), "/since", "retroactive"),
    "no such currency": (whole("30.00", currency="QQQ"), "/currency", "currency"),
    "meters of no service": (whole("30.00", meters=["minutes_mobile"]), "/service_id", "unknown_service"),
    "a currency beside a service": (cap(currency="EUR"), "/currency", "currency"),
    "no amount": ({}, "/amount", "bad_data"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "pointer", "reason"), BAD.values(), ids=BAD)
async def test_a_bad_cap_is_refused_and_changes_nothing(
    capped: Scenario, said: dict[str, Any], pointer: str, reason: str
) -> None:
    before = await capped.get(CAPS)
    status, answer = await capped.put(CAPS, said)
    assert status == 422
    assert [(fault["pointer"], fault["reason"]) for fault in answer["errors"]] == [(pointer, reason)]  # fmt: skip
    assert await capped.get(CAPS) == before
    assert len(await capped.service.published(TenantCapSet)) == 1


async def test_a_cap_of_nobody_is_not_found(capped: Scenario) -> None:
    assert (await capped.put("/v1/tenants/nobody/caps", whole("30.00")))[0] == 404
