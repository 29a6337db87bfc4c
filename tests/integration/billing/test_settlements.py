"""A quarter is settled with a reseller once: what was paid of what it earned, line by line."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from schemas.billing import SettlementIssued
from services.billing.usecases.settle_reseller import QuarterNotOver, settle_quarter
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
    used,
)
from tests.integration.billing.test_commission import CONTRACT, agreed, assigned
from tests.integration.billing.test_payments import number
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE

PATH = "/v1/resellers/VAR-A/statement"


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """Documents of 1 November (0.70 + 0.20) and of 1 December (2.65 + 0.74)."""
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE), assigned("VAR-A"))
        assert await found.put(CONTRACT, agreed()) == (204, None)
        await found.publish(
            activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="2"),
            used("first", START, MAIL, STORAGE, quantity="100"),
        )
        await run_until(found, "2026-11-01", "2026-12-01")
        yield found


async def pay(scenario: Scenario, boundary: str, on: str) -> None:
    name = await number(scenario, boundary)
    rows = await scenario.get(f"/v1/tenants/{TENANT}/invoices")
    asked = next(row["open"] for row in rows if row["number"] == name)
    body = {"number": name, "reference": f"r-{boundary}", "amount": asked, "received_on": on}
    assert (await scenario.post("/v1/payments", body))[0] == 200


async def states(scenario: Scenario, quarter: str) -> list[tuple[str, list[tuple[str, str]]]]:
    found: list[dict[str, Any]] = await scenario.get(PATH, quarter=quarter)
    return [
        (one["due"], [(line["number"], line["amount"]) for line in one["lines"]]) for one in found
    ]


async def settle(scenario: Scenario, quarter: str, today: date) -> int:
    async with scenario.service.runtime.unit(f"settle {quarter}") as unit:
        return len(await settle_quarter(quarter, today, unit))


async def test_an_agent_is_paid_for_what_was_paid_and_once(scenario: Scenario) -> None:
    first, second = await number(scenario, "2026-11-01"), await number(scenario, "2026-12-01")
    assert await states(scenario, "2026-Q4") == []
    await pay(scenario, "2026-11-01", "2026-12-05")
    assert await states(scenario, "2026-Q4") == [("0.70", [(first, "0.70")])]
    with pytest.raises(QuarterNotOver):
        await settle(scenario, "2026-Q4", date(2026, 12, 31))
    assert await settle(scenario, "2026-Q4", date(2027, 1, 2)) == 1
    assert await settle(scenario, "2026-Q4", date(2027, 1, 2)) == 0
    await pay(scenario, "2026-12-01", "2026-12-30")
    assert await states(scenario, "2026-Q4") == [("0.70", [(first, "0.70")])]
    assert await states(scenario, "2027-Q1") == [("2.65", [(second, "2.65")])]
    assert await settle(scenario, "2027-Q1", date(2027, 4, 1)) == 1
    assert await states(scenario, "2027-Q2") == []
    issued = [event.data for event in await scenario.service.published(SettlementIssued)]
    assert [(one.reseller_id, one.quarter, str(one.due)) for one in issued] == [
        ("VAR-A", "2026-Q4", "0.70"), ("VAR-A", "2027-Q1", "2.65"),
    ]  # fmt: skip


async def test_what_a_credit_note_takes_back_is_on_the_next_statement(scenario: Scenario) -> None:
    for boundary in ("2026-11-01", "2026-12-01"):
        await pay(scenario, boundary, "2026-12-05")
    await scenario.publish(used("late", day("2026-11-01", 1), MAIL, STORAGE, quantity="10"))
    await run_until(scenario, "2027-01-01")
    [(due, lines)] = await states(scenario, "2026-Q4")
    assert (due, len(lines)) == ("3.35", 2)
    assert await settle(scenario, "2026-Q4", date(2027, 1, 5)) == 1
    [(due, lines)] = await states(scenario, "2027-Q1")
    assert (due, [amount for _, amount in lines]) == ("0", ["-1.94"])


async def test_statements_are_shown_and_issued_at_the_command_line(scenario: Scenario) -> None:
    await pay(scenario, "2026-11-01", "2026-12-05")
    code, said = await vicino("settlements", "statement", "VAR-A", "2026-Q4", url=scenario.url)
    assert (code, "0.70 due" in " ".join(said.split())) == (0, True)
    code, said = await vicino("settlements", "statement", "VAR-A", "2019-Q4", url=scenario.url)
    assert (code, said) == (0, "Nothing became VAR-A's own in 2019-Q4.\n")
    assert await vicino("settlements", "accrue", "2019-Q4", url=scenario.url) == (0, "0 statements were issued.\n")  # fmt: skip
    code, said = await vicino("settlements", "accrue", "9999-Q1", url=scenario.url)
    assert (code, said) == (1, "Vicino cannot go on: 9999-Q1 is over on 9999-04-01\n")
    code, said = await vicino("settlements", "statement", "VAR-A", "2026", url=scenario.url)
    assert (code, "written as 2026-Q4" in said) == (1, True)
    status, problem = await scenario.get(PATH, quarter="soon")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/quarter")
