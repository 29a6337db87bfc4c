"""Money behind the invoices: what a reseller earns, a cap that is reported, a payment, and books that agree."""

from datetime import date
from decimal import Decimal
from typing import Any

from services.billing.tools import audited
from services.local.demo.stage import Stage, rome

RESELLER = "VAR-MO-01"
CAPPED = "SME-02"


async def act_agree(stage: Stage) -> None:
    """VAR-MO-01 earns 18 % and 5 % more in a tenant's first year; SME-02 wants to be told what its mobile calls cost."""
    contract = {
        "since": "2026-11-01",
        "rate_percent": "18",
        "first_year_uplift_percent": "5",
    }
    answer = await stage.billing_api.call("PUT", f"/v1/resellers/{RESELLER}/contract", contract)
    stage.expect.equal("VAR-MO-01's contract is agreed", answer.status, 204)
    voip = next(
        service for service in await stage.services()
        if (service.tenant, service.sku) == (CAPPED, "VOIP-PBX")
    )  # fmt: skip
    cap = {"service_id": voip.service_id, "meters": ["minutes_mobile"], "amount": "5.00", "hard": False}  # fmt: skip
    answer = await stage.billing_api.call("PUT", f"/v1/tenants/{voip.tenant_id}/caps", cap)
    stage.expect.equal("SME-02's cap is set", answer.status, 204)


async def act_cap(stage: Stage) -> None:
    """Minutes later the reseller hears that the cap is passed; nothing is taken off the bill: it is a soft one."""
    stage.leap(rome(2026, 11, 30, 23, 58))

    async def heard() -> bool:
        return any(
            item.event["data"]["percent"] == 100
            for item in stage.receivers.of("vicino.cap.reached.v1")
        )

    await stage.until("SME-02's reseller hears that the cap is spent", heard)


async def act_books(stage: Stage) -> None:
    """SME-01 pays; its reseller hears what it earns; a line is explained down to its events; the books agree."""
    [invoice] = [
        found for found in await stage.read("invoices")
        if (found["external_id"], found["date"]) == ("SME-01", "2026-12-01")
    ]  # fmt: skip
    await _earned(stage, invoice["number"])
    await _paid(stage, invoice["number"], invoice["totals"]["da_pagare"])
    await _explained(stage, invoice["number"])
    differences = [
        difference
        async for _, found in audited(
            stage.stack.url_of("billing"), date(2026, 11, 1), date(2026, 12, 2), None
        )
        for difference in found.differences
    ]
    stage.expect.equal("the books agree, from raw events to commissions", differences, [])


async def _earned(stage: Stage, number: str) -> None:
    def told() -> list[dict[str, Any]]:
        return [
            item.event["data"] for item in stage.receivers.of("vicino.commission.accrued.v1")
            if item.event["data"]["number"] == number
        ]  # fmt: skip

    async def heard() -> bool:
        return bool(told())

    await stage.until("VAR-MO-01 hears what it earns of SME-01's invoice", heard)
    earned = told()[0] if told() else {}
    stage.expect.equal(
        "18 % and 5 % of what is commissionable, to the cent",
        [earned.get(name) for name in ("base_commission", "uplift_commission", "total")],
        ["56.32", "15.64", "71.96"],
    )


async def _paid(stage: Stage, number: str, asked: str) -> None:
    parts = (("transfer-1", Decimal("100.00")), ("transfer-2", Decimal(asked) - 100))
    for reference, amount in parts:
        body = {"number": number, "reference": reference, "amount": str(amount), "received_on": "2026-12-03"}  # fmt: skip
        answer = await stage.billing_api.call("POST", "/v1/payments", body)
        stage.expect.equal(f"payment {reference} is recorded", answer.status, 200)

    async def heard() -> bool:
        return number in [
            item.event["data"]["number"] for item in stage.receivers.of("vicino.invoice.paid.v1")
        ]

    await stage.until("SME-01's reseller hears that the invoice is paid", heard)


async def _explained(stage: Stage, number: str) -> None:
    """Line 4 bills electronic invoices beyond the first hundred."""
    answer = await stage.billing_api.call("GET", f"/v1/invoices/{number}/explain?line=4")
    [line] = answer.body["lines"]
    stage.expect.equal(
        "line 4 of SME-01's invoice is explained down to its 1,730 events",
        (line["sku"], line["used"], line["event_count"]),
        ("ERP-CLOUD/e_invoices", "1730", 1730),
    )
