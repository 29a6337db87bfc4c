"""Usage that is taken back counts no more, once; what was billed of it is given back, and sending it again changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from schemas.billing import UsageRetracted
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
    issued,
    open_scenario,
    run_until,
    told,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE

PATH = f"/v1/tenants/{TENANT}/usage/retract"
DOCUMENTS = [used(f"d{n}", START + timedelta(minutes=n), value=f"d-{n}") for n in range(110)]


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        found.clock.set(day("2026-11-20"))
        await found.publish(
            activated(ERP, "ERP-CLOUD", 0, base="1"),
            activated(MAIL, "MAIL-STD", 1, mailbox="1", pec_mailbox="0"),
        )
        levels = [("low", START, "60"), ("high", day("2026-11-16"), "100")]
        await found.publish(
            *DOCUMENTS, *(used(name, at, MAIL, STORAGE, quantity=much) for name, at, much in levels)
        )
        yield found


def of(event_id: str, source: str = "/test") -> dict[str, str]:
    return {"source": source, "id": event_id, "reason": "counted twice by the sender"}


async def test_what_is_taken_back_in_time_is_not_billed(scenario: Scenario) -> None:
    assert await scenario.post(PATH, of("d3")) == (200, {"retracted": True})
    assert await scenario.post(PATH, of("d3")) == (200, {"retracted": False})
    await scenario.publish(DOCUMENTS[3])
    assert (await scenario.account())[("duplicate", "")] == 1
    await run_until(scenario, "2026-12-01")
    assert await told(scenario, "2026-12-01", "ERP-CLOUD/e_invoices") == [("2026-11-01", "9", "0.72")]  # fmt: skip
    assert await scenario.differences(date(2026, 11, 1), date(2026, 12, 1)) == []
    facts = [event.data for event in await scenario.service.published(UsageRetracted)]
    assert [(fact.id, fact.meter, fact.reason) for fact in facts] == [
        ("d3", "e_invoices", "counted twice by the sender")
    ]


async def test_what_was_billed_is_given_back_by_a_credit_note(scenario: Scenario) -> None:
    await run_until(scenario, "2026-12-01")
    assert await scenario.post(PATH, of("d7")) == (200, {"retracted": True})
    assert await scenario.post(PATH, of("high")) == (200, {"retracted": True})
    await run_until(scenario, "2027-01-01")
    note = await issued(scenario, "2027-01-01", "TD04")
    assert note is not None
    assert {line.sku: line.net for line in note.lines} == {
        "ERP-CLOUD/e_invoices": Decimal("0.08"), "MAIL-STD/storage": Decimal("2.40"),
    }  # fmt: skip
    assert await told(scenario, "2027-01-01", "MAIL-STD/storage") == [("2026-12-01", "50", "6.00")]
    assert await audited(scenario) == []


async def test_an_event_of_two_senders_needs_its_sender(scenario: Scenario) -> None:
    await scenario.publish(replace(DOCUMENTS[5], principal="erp"), replace(DOCUMENTS[5], principal="other"))  # fmt: skip
    status, problem = await scenario.post(PATH, of("d5"))
    assert (status, problem["errors"][0]["reason"]) == (422, "no_such_usage")
    assert await scenario.post(PATH, {**of("d5"), "sender": "erp"}) == (200, {"retracted": True})
    [fact] = [event.data for event in await scenario.service.published(UsageRetracted)]
    assert fact.sender == "erp"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [(of("never"), 422, "no_such_usage"), (of("d3", "/elsewhere"), 422, "no_such_usage"),
     ({"source": "/test", "id": "d3"}, 422, "bad_data")],
    ids=["an unknown id", "an unknown source", "no reason"],
)  # fmt: skip
async def test_what_was_not_counted_cannot_be_taken_back(
    scenario: Scenario, body: dict[str, str], status: int, reason: str
) -> None:
    found, problem = await scenario.post(PATH, body)
    assert (found, problem["errors"][0]["reason"]) == (status, reason)
    assert (await scenario.post("/v1/tenants/nobody/usage/retract", of("d3")))[0] == 404
    assert await scenario.service.published(UsageRetracted) == []


async def test_the_command_takes_back_and_refuses_in_a_line(scenario: Scenario) -> None:
    command = ("usage", "retract", TENANT, "/test")
    assert await vicino(*command, "d1", "--reason", "twice", url=scenario.url) == (
        0,
        "It counts no more.\n",
    )
    assert await vicino(*command, "d1", "--reason", "twice", url=scenario.url) == (
        0,
        "It was taken back before.\n",
    )
    code, said = await vicino(*command, "none", "--reason", "twice", url=scenario.url)
    assert (code, said) == (1, "Vicino cannot go on: no event of this source and id was counted\n")
