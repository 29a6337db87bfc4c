"""A price agreed with one tenant is what it pays, from its month on; a preview and an explanation say so."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.billing import InvoiceIssued, PriceAgreed
from tests.integration.billing.scenario import (
    MAIL,
    START,
    STORAGE,
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
from tests.integration.billing.test_audit import audited
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses

PATH = f"/v1/tenants/{TENANT}/prices"
OTHER, OTHERS_MAIL = "99999999-9999-9999-9999-999999999999", "88888888-8888-8888-8888-888888888888"


def asked(**said: Any) -> dict[str, Any]:
    whole = {
        "sku": "MAIL-STD",
        "code": "mailbox",
        "price": "3.00",
        "since": "2026-12-01",
        "by": "Sara",
        "reason": "ten years",
    }
    return {**whole, **said}  # fmt: skip


async def begin(scenario: Scenario) -> None:
    """Two tenants with four mailboxes and 100 GB each, and their first invoices."""
    await scenario.publish(catalogue(CATALOGUE))
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, START, mailbox="4", pec_mailbox="0"),
        activated(OTHERS_MAIL, "MAIL-STD", 0, START, OTHER, mailbox="4", pec_mailbox="0"),
        used("level", START, MAIL, STORAGE, quantity="100"),
        used("level", START, OTHERS_MAIL, STORAGE, OTHER, quantity="100"),
    )
    await run_until(scenario, "2026-11-01")


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await begin(found)
        yield found


@pytest.fixture(scope="module")
async def unchanged(addresses: Addresses) -> AsyncIterator[Scenario]:
    """The same; what is asked for in its tests is refused."""
    async with shared_scenario(addresses) as found:
        await begin(found)
        assert await found.put(PATH, asked(until="2027-03-01")) == (204, None)
        yield found


async def paid(scenario: Scenario, boundary: str, sku: str, tenant: str = TENANT) -> list[str]:
    return [
        str(line.net)
        for event in await scenario.service.published(InvoiceIssued)
        if (event.subject, str(event.data.date)) == (tenant, boundary)
        for line in event.data.lines if line.sku == sku
    ]  # fmt: skip


async def test_fees_and_usage_are_billed_at_the_price_agreed_and_others_pay_the_catalogues(
    scenario: Scenario,
) -> None:
    assert await scenario.put(PATH, asked(until="2027-01-01")) == (204, None)
    assert await scenario.put(PATH, asked(code="storage", price="0.05")) == (204, None)
    [fee, usage] = [event.data for event in await scenario.service.published(PriceAgreed)]
    assert (fee.component, str(fee.price), fee.by, fee.reason) == (
        "mailbox",
        "3.00",
        "Sara",
        "ten years",
    )
    assert (usage.component, usage.until) == ("storage", None)
    preview = (await scenario.post(f"/v1/tenants/{TENANT}/preview", {}))[1]
    await run_until(scenario, "2026-12-01")
    seen = [
        line["net"]
        for line in preview["documents"][0]["lines"]
        if line["sku"] == "MAIL-STD/mailbox"
    ]
    assert seen == await paid(scenario, "2026-12-01", "MAIL-STD/mailbox") == ["12.00"]
    assert await paid(scenario, "2026-12-01", "MAIL-STD/storage") == ["7.20"]
    await run_until(scenario, "2027-01-01")
    assert await paid(scenario, "2027-01-01", "MAIL-STD/mailbox") == ["15.60"]
    assert await paid(scenario, "2027-01-01", "MAIL-STD/storage") == ["3.00"]
    assert await paid(scenario, "2026-12-01", "MAIL-STD/mailbox", OTHER) == ["15.60"]
    assert await paid(scenario, "2027-01-01", "MAIL-STD/storage", OTHER) == ["7.20"]
    [number] = [
        event.data.number for event in await scenario.service.published(InvoiceIssued)
        if (event.subject, str(event.data.date)) == (TENANT, "2026-12-01")
    ]  # fmt: skip
    explained = await scenario.get(f"/v1/invoices/{number}/explain")
    prices = {line["sku"]: line["price"]["price"] for line in explained["lines"]}
    assert prices == {"MAIL-STD/mailbox": "3.00", "MAIL-STD/storage": "0.12"}
    assert await audited(scenario, compared=5, numbered=6) == []


async def test_an_agreement_is_ended_or_corrected_by_one_of_the_same_day(
    scenario: Scenario,
) -> None:
    assert await scenario.put(PATH, asked()) == (204, None)
    assert (await scenario.put(PATH, asked(price="2.00", since="2027-01-01")))[0] == 422
    assert await scenario.put(PATH, asked(until="2027-01-01")) == (204, None)
    assert await scenario.put(PATH, asked(price="2.00", since="2027-01-01")) == (204, None)
    assert len(await scenario.get(PATH)) == 3
    await run_until(scenario, "2026-12-01", "2027-01-01")
    assert await paid(scenario, "2026-12-01", "MAIL-STD/mailbox") == ["12.00"]
    assert await paid(scenario, "2027-01-01", "MAIL-STD/mailbox") == ["8.00"]


async def test_what_was_agreed_counts_for_a_month_that_is_rated_again(scenario: Scenario) -> None:
    assert await scenario.put(PATH, asked(code="storage", price="0.05", since="2026-11-01")) == (
        204,
        None,
    )
    await run_until(scenario, "2026-12-01")
    assert await paid(scenario, "2026-12-01", "MAIL-STD/storage") == ["3.00"]
    await scenario.publish(used("late", day("2026-11-16"), MAIL, STORAGE, quantity="160"))
    await run_until(scenario, "2027-01-01")
    assert (await paid(scenario, "2027-01-01", "MAIL-STD/storage"))[-1] == "1.50"
    assert await audited(scenario, compared=5, numbered=6) == []


@pytest.mark.parametrize(
    ("said", "pointer", "reason"),
    [
        ({"sku": "NOPE"}, "/sku", "unknown_sku"),
        ({"code": "nope"}, "/code", "unknown_sku"),
        ({"sku": "ERP-CLOUD", "code": "e_invoices"}, "/code", "tiers"),
        ({"price": "-1"}, "/price", "price_range"),
        ({"price": "1000000001"}, "/price", "price_range"),
        ({"price": "3.001"}, "/price", "minor_unit"),
        ({"since": "2026-12-02"}, "/since", "bad_data"),
        ({"until": "2027-01-15"}, "/until", "bad_data"),
        ({"until": "2026-12-01"}, "/until", "bad_data"),
        ({"since": "2027-01-01"}, "/since", "price_overlap"),
        ({"since": "2026-11-01", "until": "2027-01-01"}, "/since", "price_overlap"),
        ({"since": "2026-11-01", "until": "2026-12-01"}, "/since", "retroactive"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_cannot_be_agreed_is_refused_with_its_place_and_code(
    unchanged: Scenario, said: dict[str, Any], pointer: str, reason: str
) -> None:
    status, answer = await unchanged.put(PATH, asked(**said))
    [fault] = answer["errors"]
    assert (status, fault["pointer"], fault["reason"]) == (422, pointer, reason)
    assert len(await unchanged.get(PATH)) == 1


async def test_a_tenant_that_is_not_there_has_no_prices(unchanged: Scenario) -> None:
    assert (await unchanged.put(PATH.replace(TENANT, "nobody"), asked()))[0] == 404
    assert (await unchanged.get(PATH.replace(TENANT, "nobody")))[0] == 404
    for unseen in ("", " ", "\x01", "x" * 201):
        assert (await unchanged.put(PATH, asked(by=unseen)))[0] == 422
        assert (await unchanged.put(PATH, asked(reason=unseen)))[0] == 422


async def test_commands_agree_and_list(scenario: Scenario) -> None:
    agree = (
        "prices",
        "agree",
        TENANT,
        "MAIL-STD",
        "mailbox",
        "3.00",
        "--since",
        "2026-12-01",
        "--by",
        "Sara",
    )
    code, said = await vicino(*agree, "--reason", "ten years", url=scenario.url)
    assert (code, "is agreed" in said) == (0, True), said
    code, said = await vicino("prices", "agreed", TENANT, "--json", url=scenario.url)
    assert (code, "ten years" in said) == (0, True)
    code, said = await vicino(*agree, "--reason", " ", url=scenario.url)
    assert code == 2
    for price, exit_code in (("x", 2), ("NaN", 2), ("-1", 2), ("0.000000001", 1), ("3.001", 1)):
        code, said = await vicino(*agree[:5], price, *agree[6:], "--reason", "r", url=scenario.url)
        assert code == exit_code, said
