"""Resellers earn of the documents of their tenants: by their contract, by the days they served, and not twice."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import CommissionAccrued, ContractAgreed
from schemas.envelope import Event
from schemas.tenants import TenantAssigned
from tests.integration.billing.scenario import (
    MAIL,
    START,
    STORAGE,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    open_scenario,
    run_until,
    used,
)
from tests.support.catalogue import CATALOGUE

CONTRACT = "/v1/resellers/VAR-A/contract"


def assigned(reseller_id: str, at: str | None = None) -> Event[Any]:
    effective = day(at) if at else START
    data = TenantAssigned(
        reseller_id=reseller_id, distance_km=Decimal(1), score=Decimal(1), ranking=(), effective_at=effective
    )  # fmt: skip
    return fact(data, f"assigned-{reseller_id}")


def agreed(since: str = "2026-11-01", rate: str = "18", uplift: str = "5") -> dict[str, Any]:
    return {"since": since, "rate_percent": rate, "first_year_uplift_percent": uplift}


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE), assigned("VAR-A"))
        assert await found.put(CONTRACT, agreed()) == (204, None)
        yield found


async def earned(scenario: Scenario, boundary: str) -> list[tuple[str, str, str, str]]:
    """Who earned what of the documents of a day: net, share, uplift."""
    return sorted(
        (event.data.reseller_id, str(event.data.net), str(event.data.base_commission), str(event.data.uplift_commission))
        for event in await scenario.service.published(CommissionAccrued)
        if str(event.data.date) == boundary
    )  # fmt: skip


async def test_a_credit_note_takes_back_by_the_contract_of_what_it_credits(
    scenario: Scenario,
) -> None:
    """And what is not commissionable earns nothing."""
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="2"),
        used("first", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-12-01")
    assert await earned(scenario, "2026-11-01") == [("VAR-A", "3.90000000", "0.70", "0.20")]
    assert await earned(scenario, "2026-12-01") == [("VAR-A", "14.70000000", "2.65", "0.74")]
    assert await scenario.put(CONTRACT, agreed("2026-12-02", "30", "0")) == (204, None)
    await scenario.publish(used("late", day("2026-11-01", 1), MAIL, STORAGE, quantity="10"))
    await run_until(scenario, "2027-01-01")
    credit, invoice = await earned(scenario, "2027-01-01")
    assert credit == ("VAR-A", "-10.78000000", "-1.94", "-0.54")
    assert invoice == ("VAR-A", "3.90000000", "1.17", "0.00")


async def test_a_line_belongs_to_who_served_on_its_days(scenario: Scenario) -> None:
    await scenario.publish(activated(MAIL, "MAIL-STD", 0, mailbox="10", pec_mailbox="0"))
    await scenario.publish(assigned("VAR-B", "2026-11-11"))
    assert await scenario.put("/v1/resellers/VAR-B/contract", agreed(rate="10", uplift="0")) == (204, None)  # fmt: skip
    await run_until(scenario, "2026-12-01")
    assert await earned(scenario, "2026-11-01") == [
        ("VAR-A", "13.00000000", "2.34", "0.65"),
        ("VAR-B", "26.00000000", "2.60", "0.00"),
    ]
    assert await earned(scenario, "2026-12-01") == [("VAR-B", "39.00000000", "3.90", "0.00")]


async def test_what_a_document_has_earned_does_not_change(scenario: Scenario) -> None:
    await scenario.publish(activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"))
    await run_until(scenario, "2026-12-01")
    status, problem = await scenario.put(CONTRACT, agreed("2026-12-01", "1"))
    assert (status, problem["errors"][0]["pointer"], problem["errors"][0]["reason"]) == (
        422, "/since", "retroactive",
    )  # fmt: skip
    assert await scenario.put(CONTRACT, agreed("2026-12-02", "1")) == (204, None)
    assert [row["rate_percent"] for row in await scenario.get(CONTRACT)] == ["18", "1"]
    told = [event.data.rate_percent for event in await scenario.service.published(ContractAgreed)]
    assert told == [Decimal(18), Decimal(1)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/resellers/VAR-X/contract", agreed(), 404),
        (CONTRACT, agreed(rate="101"), 422),
        (CONTRACT, agreed(rate="-1"), 422),
        (CONTRACT, agreed(uplift="100.5"), 422),
        (CONTRACT, agreed() | {"model": "gift"}, 422),
        (CONTRACT, agreed() | {"rate": "5"}, 422),
        (CONTRACT, agreed("2026-13-01"), 422),
        (CONTRACT, {"since": "2026-11-01"}, 422),
    ],
    ids=["nobody", "above all", "below zero", "uplift above all", "no model", "misspelt", "no day", "no rate"],
)  # fmt: skip
async def test_a_contract_that_cannot_be_is_refused(
    scenario: Scenario, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await scenario.put(path, body))[0] == status
    assert len(await scenario.get(CONTRACT)) == 1
