"""A run that a person holds is not made until it is approved; then it counts what it would have counted in its time."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from schemas.billing import InvoiceApproved, InvoiceHeld, InvoiceIssued
from tests.integration.billing.scenario import (
    ERP,
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

OTHER = "99999999-9999-9999-9999-999999999999"
HOLD = f"/v1/tenants/{TENANT}/drafts/2026-12-01/hold"


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await begin(found)
        yield found


@pytest.fixture(scope="module")
async def unheld(addresses: Addresses) -> AsyncIterator[Scenario]:
    """The same; what is asked for in its tests is refused."""
    async with shared_scenario(addresses) as found:
        await begin(found)
        yield found


async def begin(scenario: Scenario) -> None:
    """Two tenants with an invoice of 1 November; the first has usage."""
    await scenario.publish(catalogue(CATALOGUE))
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, START, mailbox="1", pec_mailbox="0"),
        activated(ERP, "ERP-CLOUD", 0, START, OTHER, base="1", extra_user="0"),
        used("level", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-11-01")


async def issued(scenario: Scenario) -> list[tuple[str, str]]:
    return [
        (event.subject, str(event.data.date)) for event in await scenario.service.published(InvoiceIssued)
        if str(event.data.date) > "2026-11-01"
    ]  # fmt: skip


async def storage(scenario: Scenario, boundary: str, tipo: str = "TD01") -> list[str]:
    """What the first tenant's documents of a day ask for its storage, or give back."""
    return [
        str(line.net)
        for event in await scenario.service.published(InvoiceIssued)
        if (event.subject, str(event.data.date), event.data.tipo_documento) == (TENANT, boundary, tipo)
        for line in event.data.lines if line.sku == "MAIL-STD/storage"
    ]  # fmt: skip


async def approve(scenario: Scenario, path: str = HOLD) -> int:
    headers = {"authorization": "Bearer operator-for-tests"}
    async with scenario.session.delete(scenario.service.url + path, headers=headers) as answer:
        return answer.status


async def test_drafts_say_what_runs_would_issue(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-11-30", 23))
    assert await scenario.get("/v1/drafts") == []
    scenario.clock.set(day("2026-12-01", 1))
    drafts = {row["tenant"]: row for row in await scenario.get("/v1/drafts")}
    assert drafts.keys() == {TENANT, OTHER}
    assert {row["held"] for row in drafts.values()} == {None}
    assert drafts[TENANT]["boundary"] == "2026-12-01"
    await run_until(scenario, "2026-12-01")
    documents = {
        event.subject: event.data.totals for event in await scenario.service.published(InvoiceIssued)
        if str(event.data.date) == "2026-12-01"
    }  # fmt: skip
    for tenant, totals in documents.items():
        assert float(drafts[tenant]["net"]) == float(totals.imponibile)
        assert float(drafts[tenant]["total"]) == float(totals.totale_documento)
    assert await scenario.get("/v1/drafts") == []


async def test_a_held_run_waits_for_its_approval_and_nobody_waits_for_it(
    scenario: Scenario,
) -> None:
    scenario.clock.set(day("2026-12-01", 1))
    assert await scenario.put(HOLD, {"reason": "price disputed"}) == (204, None)
    await run_until(scenario, "2026-12-01")
    assert await issued(scenario) == [(OTHER, "2026-12-01")]
    [draft] = await scenario.get("/v1/drafts")
    assert (draft["tenant"], draft["held"]) == (TENANT, "price disputed")
    await run_until(scenario, "2027-01-01")
    assert await issued(scenario) == [(OTHER, "2026-12-01"), (OTHER, "2027-01-01")]
    assert await approve(scenario) == 204
    await scenario.service.settled()
    assert [one for one in await issued(scenario) if one[0] == TENANT] == [
        (TENANT, "2026-12-01"), (TENANT, "2027-01-01"),
    ]  # fmt: skip
    [held] = await scenario.service.published(InvoiceHeld)
    [approved] = await scenario.service.published(InvoiceApproved)
    assert (held.data.reason, str(approved.data.boundary)) == ("price disputed", "2026-12-01")
    assert await audited(scenario, compared=5, numbered=4) == []


async def test_it_counts_what_it_would_have_counted_in_its_time(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-12-01", 1))
    assert await scenario.put(HOLD, {"reason": "look first"}) == (204, None)
    await run_until(scenario, "2026-12-01")
    scenario.clock.advance(timedelta(days=3))
    await scenario.publish(used("late", day("2026-11-16"), MAIL, STORAGE, quantity="0"))
    assert await approve(scenario) == 204
    await scenario.service.settled()
    assert await storage(scenario, "2026-12-01") == ["10.80"]
    await run_until(scenario, "2027-01-01")
    assert await storage(scenario, "2027-01-01", "TD04") == ["6.00"]


async def test_held_before_its_time_and_approved_before_its_time_it_is_made_in_its_time(
    scenario: Scenario,
) -> None:
    assert await scenario.put(HOLD, {"reason": "one"}) == (204, None)
    assert await scenario.put(HOLD, {"reason": "two"}) == (204, None)
    [draft] = await scenario.get("/v1/drafts")
    assert draft["held"] == "two"
    assert await approve(scenario) == 204
    await scenario.service.settled()
    assert await issued(scenario) == []
    await run_until(scenario, "2026-12-01")
    assert sorted(await issued(scenario)) == sorted([(TENANT, "2026-12-01"), (OTHER, "2026-12-01")])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (HOLD.replace(TENANT, "nobody"), {"reason": "x"}, 404),
        (HOLD.replace("2026-12-01", "2030-01-01"), {"reason": "x"}, 404),
        (HOLD.replace("2026-12-01", "2026-11-01"), {"reason": "x"}, 409),
        (HOLD.replace("2026-12-01", "yesterday"), {"reason": "x"}, 422),
        (HOLD, {"reason": ""}, 422),
        (HOLD, {"reason": "x" * 201}, 422),
        (HOLD, {"reason": "a\x00b"}, 422),
        (HOLD, {"reason": " \x01\u200b"}, 422),
        (HOLD, {"reason": "x", "until": "2027"}, 422),
        (HOLD, {}, 422),
    ],
    ids=[
        "no tenant",
        "no run",
        "done",
        "no date",
        "empty",
        "long",
        "NUL",
        "nothing to be seen",
        "extra",
        "nothing",
    ],
)
async def test_what_cannot_be_held_is_refused(
    unheld: Scenario, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await unheld.put(path, body))[0] == status
    assert await approve(unheld) == 404
    assert await unheld.service.sql("select 1 from invoice_hold") == []


async def test_commands_hold_list_and_approve(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-12-01", 1))
    code, said = await vicino(
        "invoices", "hold", TENANT, "--reason", "look\nfirst", url=scenario.url
    )
    assert (code, "2026-12-01 is held" in said) == (0, True)
    code, said = await vicino("invoices", "drafts", "--json", url=scenario.url)
    assert (code, [row["held"] for row in json.loads(said) if row["held"]]) == (0, ["look first"])
    code, said = await vicino("invoices", "approve", TENANT, url=scenario.url)
    assert (code, "is approved" in said) == (0, True), said
    code, said = await vicino("invoices", "approve", TENANT, url=scenario.url)
    assert (code, "is not held" in said) == (1, True)
    code, said = await vicino("invoices", "hold", TENANT, "--reason", " ", url=scenario.url)
    assert code == 2
    done = ("invoices", "hold", TENANT, "--boundary", "2026-11-01", "--reason", "x")
    code, said = await vicino(*done, url=scenario.url)
    assert (code, "is done" in said) == (1, True)
