"""A run that fails is parked and told, holds up no other tenant's, and goes through once its cause is gone."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas.billing import InvoiceIssued, InvoiceParked, InvoiceReleased
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
)
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE

OTHER = "99999999-9999-9999-9999-999999999999"


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """Two tenants, of which PostgreSQL takes one's documents only."""
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        await found.service.sql(
            "create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"
        )
        await found.service.sql(
            f"create trigger planted before insert on invoice for each row when (new.tenant_id = '{TENANT}')"
            " execute function planted()"
        )
        await found.publish(
            activated(ERP, "ERP-CLOUD", 0, START, base="1", extra_user="0"),
            activated(MAIL, "MAIL-STD", 0, START, OTHER, mailbox="1", pec_mailbox="0"),
        )
        yield found


async def until_parked(scenario: Scenario) -> None:
    """Let time pass until the run has failed for a minute, as others' runs go through."""

    async def told() -> bool:
        scenario.clock.advance(timedelta(seconds=20))
        await scenario.service.wake()
        await asyncio.sleep(0.05)
        return bool(await scenario.service.published(InvoiceParked))

    scenario.clock.set(day("2026-11-03", 2))
    await scenario.service.eventually(told)


async def issued_to(scenario: Scenario) -> list[str]:
    return [event.subject for event in await scenario.service.published(InvoiceIssued)]


async def test_a_run_that_fails_is_told_once_and_holds_up_nobody(scenario: Scenario) -> None:
    await until_parked(scenario)
    scenario.clock.advance(timedelta(hours=2))
    await scenario.service.wake()
    [parked] = await scenario.service.published(InvoiceParked)
    assert (parked.subject, str(parked.data.boundary)) == (TENANT, "2026-11-01")
    assert parked.data.explanation == "RaiseError (P0001)"
    assert await issued_to(scenario) == [OTHER]


async def test_when_its_cause_is_gone_it_is_tried_at_once_and_told_as_released(
    scenario: Scenario,
) -> None:
    await until_parked(scenario)
    code, said = await vicino("invoices", "parked", "--json", url=scenario.url)
    [listed] = json.loads(said)
    assert (code, listed["tenant"], listed["boundary"]) == (0, TENANT, "2026-11-01")
    assert listed["explanation"] == "RaiseError (P0001)"
    await scenario.service.sql("drop trigger planted on invoice")
    code, said = await vicino("invoices", "retry", TENANT, url=scenario.url)
    assert (code, said.strip()) == (0, "1 parked runs are tried now.")

    async def released() -> bool:
        return bool(await scenario.service.published(InvoiceReleased))

    await scenario.service.eventually(released)
    assert sorted(await issued_to(scenario)) == [TENANT, OTHER]
    assert json.loads((await vicino("invoices", "parked", "--json", url=scenario.url))[1]) == []
    [issued] = [
        event.data
        for event in await scenario.service.published(InvoiceIssued)
        if event.subject == TENANT
    ]
    code, said = await vicino("invoices", "show", issued.number, "--json", url=scenario.url)
    assert (code, json.loads(said)["number"]) == (0, issued.number)
    code, said = await vicino("invoices", "show", issued.number, url=scenario.url)
    assert (code, f"to pay {issued.totals.da_pagare} EUR" in " ".join(said.split())) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(("retry", "nobody"), "no tenant has the id or external id nobody"), (("show", "2020/A/000001"), "no such invoice")],
    ids=["nobody", "no document"],
)  # fmt: skip
async def test_what_is_not_known_is_told_in_a_line(
    scenario: Scenario, arguments: tuple[str, ...], why: str
) -> None:
    code, said = await vicino("invoices", *arguments, url=scenario.url)
    assert (code, why in said, "Traceback" in said) == (1, True, False)
