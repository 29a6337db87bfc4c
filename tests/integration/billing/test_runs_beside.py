"""Runs that are due together are made together: the same documents as alone, and nobody suffers from another."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from schemas.billing import InvoiceIssued
from services.billing.job_kinds import invoice_run
from services.billing.usecases.issue_invoice import IssuedRuns, issue_invoices
from tests.integration.billing.scenario import (
    GRACE,
    START,
    STORAGE,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
    used,
)
from tests.support.catalogue import CATALOGUE

TENANTS = [str(UUID(int=7_000 + n)) for n in range(12)]
FIRST = TENANTS[0]
BOUNDARY = date(2026, 12, 1)
HOURS = 48


def service_of(tenant: str) -> str:
    return str(UUID(int=UUID(tenant).int + 1_000_000))


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """Twelve tenants with mailboxes and usage of November, no two alike; their first invoices are made."""
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        await found.publish(*(
            activated(service_of(tenant), "MAIL-STD", 0, START, tenant, mailbox=str(n + 1), pec_mailbox="0")
            for n, tenant in enumerate(TENANTS)
        ))  # fmt: skip
        found.clock.set(day("2026-11-01") + GRACE)
        await found.service.settled()
        found.clock.set(day("2026-11-20"))
        await found.publish(*(
            used(f"u{n}", day("2026-11-10"), service_of(tenant), STORAGE, tenant, quantity=str(100 * n + 50))
            for n, tenant in enumerate(TENANTS)
        ))  # fmt: skip
        yield found


async def by_hand(scenario: Scenario, tenant: str, beside: int) -> IssuedRuns:
    """A run of December's boundary, as its job makes it; what it makes is kept."""
    async with scenario.service.runtime.unit(f"by-hand|{tenant}|{beside}") as unit:
        return await issue_invoices(tenant, BOUNDARY, HOURS, unit, beside)


async def documents(scenario: Scenario) -> dict[str, tuple[str, Decimal]]:
    return {
        event.subject: (event.data.number, event.data.totals.totale_documento)
        for event in await scenario.service.published(InvoiceIssued)
        if event.data.date == BOUNDARY
    }


async def transactions(scenario: Scenario) -> int:
    """How many transactions made the documents of the boundary."""
    rows = await scenario.service.sql(
        "select count(distinct xmin::text) as n from invoice where boundary = $1", BOUNDARY
    )
    return int(rows[0]["n"])


def expected(n: int) -> Decimal:
    """Mailboxes of December in advance; gigabytes beyond 10 for each mailbox, on 21 of November's 30 days."""
    used_gb = (Decimal(100 * n + 50) * 21 / 30).quantize(Decimal("0.000001"))
    beyond = max(Decimal(0), used_gb - 10 * (n + 1))
    net = Decimal("3.90") * (n + 1) + (beyond * Decimal("0.12")).quantize(
        Decimal("0.01"), "ROUND_HALF_UP"
    )
    return net + (net * 22 / 100).quantize(Decimal("0.01"), "ROUND_HALF_UP")


async def test_many_share_a_transaction_and_each_gets_what_it_would_get_alone(
    scenario: Scenario,
) -> None:
    scenario.clock.set(day("2026-12-01") + GRACE)
    await scenario.service.settled()
    found = await documents(scenario)
    assert {tenant: total for tenant, (_, total) in found.items()} == {
        tenant: expected(n) for n, tenant in enumerate(TENANTS)
    }
    numbers = sorted(number for number, _ in found.values())
    assert numbers == [f"2026/A/{n:06d}" for n in range(13, 25)]
    assert await transactions(scenario) < len(TENANTS)
    again = await by_hand(scenario, FIRST, 50)
    assert (again.own, again.beside) == (None, {})


async def test_a_run_that_a_person_holds_or_that_fails_is_left_alone(scenario: Scenario) -> None:
    held, failing = TENANTS[4], TENANTS[7]
    assert (await scenario.put(f"/v1/tenants/{held}/drafts/2026-12-01/hold", {"reason": "ask first"}))[0] < 300  # fmt: skip
    await scenario.tamper(
        "quantity_fact",
        f"update quantity_fact set quantity = 'NaN' where service_id = '{service_of(failing)}'",
    )
    scenario.clock.set(day("2026-12-01") + GRACE)
    others = [tenant for tenant in TENANTS if tenant not in (held, failing)]

    async def all_others() -> bool:
        return sorted(await documents(scenario)) == others

    await scenario.service.eventually(all_others)
    numbers = sorted(number for number, _ in (await documents(scenario)).values())
    assert numbers == [f"2026/A/{n:06d}" for n in range(13, 23)], "no number is lost"
    open_runs = await scenario.service.sql(
        "select tenant_id from invoice_run where boundary = $1 and not is_done order by 1", BOUNDARY
    )
    assert [row["tenant_id"] for row in open_runs] == [held, failing]


async def test_two_who_make_all_runs_at_once_share_them(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-12-01") + GRACE)
    made = await asyncio.gather(*(by_hand(scenario, tenant, 50) for tenant in TENANTS[:4]))
    await scenario.service.settled()
    found = await documents(scenario)
    assert sorted(found) == TENANTS
    assert len({number for number, _ in found.values()}) == len(TENANTS)
    own = [tenant for tenant, runs in zip(TENANTS, made, strict=False) if runs.own is not None]
    others = [tenant for runs in made for tenant in runs.beside]
    assert len(own) + len(others) == len({*own, *others}), "nobody's run is made twice"
    jobs = await scenario.service.sql(
        "select args ->> 'boundary' as boundary from job where kind = $1", invoice_run.name
    )
    assert {row["boundary"] for row in jobs} == {"2027-01-01"}
