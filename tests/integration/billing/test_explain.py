"""From a line of a document to its charge, its price, what was ordered or used, and the raw events."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import InvoiceIssued
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
    used,
)
from tests.support.catalogue import CATALOGUE

VOIP = "44444444-4444-4444-4444-444444444444"


async def invoiced(scenario: Scenario) -> InvoiceIssued:
    """An invoice with a fee, usage and a cap that binds."""
    await scenario.publish(catalogue(CATALOGUE))
    scenario.clock.set(day("2026-11-20"))
    calls = [
        used(f"c{n}", START + timedelta(days=n), VOIP, "minutes_mobile", quantity="100") for n in range(4)
    ]  # fmt: skip
    documents = [used(f"d{n}", START + timedelta(hours=n), value=f"d-{n}") for n in range(110)]
    await scenario.publish(
        activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="2"),
        activated(VOIP, "VOIP-PBX", 1, extension="1"),
    )
    cap = {"service_id": VOIP, "meters": ["minutes_mobile"], "amount": "12.00"}
    assert (await scenario.put(f"/v1/tenants/{TENANT}/caps", cap))[0] == 204
    await scenario.publish(*calls, *documents)
    await run_until(scenario, "2026-12-01")
    [found] = [
        event.data for event in await scenario.service.published(InvoiceIssued)
        if str(event.data.date) == "2026-12-01"
    ]  # fmt: skip
    return found


async def test_every_line_is_explained_down_to_its_events(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        issued = await invoiced(scenario)
        whole = await scenario.get(f"/v1/invoices/{issued.number}/explain")
        assert whole == await scenario.get(f"/v1/invoices/{issued.invoice_id}/explain")
        assert [line["n"] for line in whole["lines"]] == [line.n for line in issued.lines]
        by_sku: dict[str, Any] = {line["sku"]: line for line in whole["lines"]}
        users = by_sku["ERP-CLOUD/extra_user"]
        assert (users["price"]["price"], users["ordered"]) == ("19.00", [{"from": "2026-12-01", "quantity": "2"}])  # fmt: skip
        documents = by_sku["ERP-CLOUD/e_invoices"]
        assert (documents["used"], documents["charge"]["net"]) == ("110", "0.80")
        assert sum(Decimal(day["quantity"]) for day in documents["days"]) == 110
        assert by_sku["VOIP-PBX/cap"]["cap"] == {"meters": ["minutes_mobile"], "amount": "12.00"}
        n = by_sku["VOIP-PBX/minutes_mobile"]["n"]
        alone = await scenario.get(f"/v1/invoices/{issued.number}/explain", line=str(n))
        [line] = alone["lines"]
        assert line["event_count"] == 4
        assert {event["id"] for event in line["events"]} == {f"c{k}" for k in range(4)}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/invoices/2026/A/000099/explain", 404), ("/v1/invoices/{number}/explain?line=99", 404),
     ("/v1/invoices/{number}/explain?line=0", 422), ("/v1/invoices/%00/explain", 422)],
    ids=["no document", "no line", "a line before the first", "no name"],
)  # fmt: skip
async def test_what_is_not_there_is_not_explained(
    database: str, bootstrap: str, topic_prefix: str, path: str, status: int
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        issued = await invoiced(scenario)
        assert (await scenario.get(path.format(number=issued.number)))[0] == status
