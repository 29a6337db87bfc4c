"""December and the turn of the year: a cap that binds, usage that comes late or is taken back, fewer mailboxes, a statement."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from services.billing.tools import audited, settled
from services.chassis.clock import SteeredClock
from services.local.demo.money import RESELLER
from services.local.demo.stage import ORDER, Stage, rome
from services.local.demo.usage import USAGE, DemoService
from services.local.demo.world import cloud_event

CALLER, CALLS = "SME-09", 100
"""Who calls more than its cap allows: so many calls of five minutes, at 0.045 a minute, of which 10.00 is paid."""

LATE, LATE_DOCUMENTS = "SME-03", 10
CORRECTED, WRONG_DOCUMENTS, MAILBOXES = "SME-05", 25, "5"
JANUARY = "2027-01-01"


async def act_december(stage: Stage) -> None:
    """20 December: SME-09 bounds its calls and passes the bound; November's documents come late, some were none."""
    stage.leap(rome(2026, 12, 20, 10, 0))
    services = {(service.tenant, service.sku): service for service in await stage.services()}
    await _call_beyond_the_cap(stage, services[CALLER, "VOIP-PBX"])
    await _send_late(stage, services[LATE, "ERP-CLOUD"])
    await _take_back(stage, services[CORRECTED, "ERP-CLOUD"])
    await _shrink(stage, services[CORRECTED, "MAIL-STD"])


async def _call_beyond_the_cap(stage: Stage, voip: DemoService) -> None:
    cap = {"service_id": voip.service_id, "meters": ["minutes_mobile"], "amount": "10.00", "hard": True}  # fmt: skip
    answer = await stage.billing_api.call("PUT", f"/v1/tenants/{voip.tenant_id}/caps", cap)
    stage.expect.equal(f"{CALLER}'s hard cap is set", answer.status, 204)
    began = rome(2026, 12, 10, 9, 0)
    calls = [
        _usage(
            voip, "minutes_mobile", f"december-call-{n}", began + timedelta(hours=n), quantity="5"
        )
        for n in range(CALLS)
    ]
    await _send(stage, "backend", calls, f"{CALLER}'s calls of December are accepted")

    async def spent() -> bool:
        answer = await stage.billing_api.call("GET", f"/v1/tenants/{voip.tenant_id}/caps")
        return [Decimal(row["spent"]) for row in answer.body] == [Decimal("22.50")]

    await stage.until("the calls come to 22.50, beyond the cap", spent)
    query = f"service_id={voip.service_id}&meter=minutes_mobile"
    answer = await stage.billing_api.call("GET", f"/v1/tenants/{voip.tenant_id}/may?{query}")
    said = (answer.body["allowed"], answer.body["reason"])
    stage.expect.equal(
        "a back-end that asks gets the answer that no call is left", said, (False, "cap_reached")
    )


async def _send_late(stage: Stage, erp: DemoService) -> None:
    happened = rome(2026, 11, 29, 18, 0)
    late = [
        _usage(erp, "e_invoices", f"late-{n}", happened, value=f"{LATE}/late-{n}")
        for n in range(LATE_DOCUMENTS)
    ]
    await _send(stage, erp.reseller, late, f"{LATE}'s late documents of November are accepted")

    async def noted() -> bool:
        answer = await stage.billing_api.call("GET", f"/v1/tenants/{erp.tenant_id}/usage/late")
        return [row["n"] for row in answer.body] == [LATE_DOCUMENTS]

    await stage.until("they are counted, and noted as late", noted)


async def _take_back(stage: Stage, erp: DemoService) -> None:
    statuses = set()
    for n in range(100, 100 + WRONG_DOCUMENTS):
        body = {"source": f"/erp-cloud/{CORRECTED.lower()}", "id": f"e_invoices-{n}", "reason": "a test of the till"}  # fmt: skip
        answer = await stage.billing_api.call(
            "POST", f"/v1/tenants/{erp.tenant_id}/usage/retract", body
        )
        statuses.add(answer.status)
    stage.expect.equal(f"{WRONG_DOCUMENTS} documents of {CORRECTED} are retracted", statuses, {200})


async def _shrink(stage: Stage, mail: DemoService) -> None:
    item = {"action": "change", "service_id": mail.service_id, "quantities": {"mailbox": MAILBOXES}}
    event = cloud_event(
        ORDER, f"order-{CORRECTED}-fewer", "/portal", stage.now(),
        {"reference": f"ORD-{CORRECTED}-2", "items": [item]}, mail.tenant_id,
    )  # fmt: skip
    answer = await stage.client(mail.reseller).send(event)
    stage.expect.equal(f"{CORRECTED}'s order for fewer mailboxes is accepted", answer.status, 202)

    async def changed() -> bool:
        services = (await stage.tenants())[CORRECTED]["services"]
        return any(one["quantities"].get("mailbox") == MAILBOXES for one in services)

    await stage.until(f"{CORRECTED} has {MAILBOXES} mailboxes", changed)


async def act_new_year(stage: Stage) -> None:
    """3 January: December is invoiced; what was corrected is billed or credited with November's dates."""
    stage.leap(rome(2027, 1, 3, 0, 5))

    async def issued() -> bool:
        found = await _documents(stage)
        return len([one for one in found if one["tipo_documento"] == "TD01"]) == 10

    await stage.until("every active tenant is invoiced on the first of January", issued)
    documents = await _documents(stage)
    invoices = {one["external_id"]: one for one in documents if one["tipo_documento"] == "TD01"}
    calls = _lines(invoices.get(CALLER), "VOIP-PBX/minutes_mobile")
    over = _lines(invoices.get(CALLER), "VOIP-PBX/cap")
    nets = [str(sum(Decimal(line["net"]) for line in found)) for found in (calls, over)]
    stage.expect.equal("a hard cap binds: 22.50 of calls, 12.50 off", nets, ["22.50", "-12.50"])
    late = [
        (line["net"], line["period_from"][:7])
        for line in _lines(invoices.get(LATE), "ERP-CLOUD/e_invoices")
    ]
    stage.expect.equal("late usage is billed with November's dates", late, [("0.80", "2026-11")])
    storno = [
        line["net"]
        for line in _lines(invoices.get(CORRECTED), "MAIL-STD/mailbox")
        if line["net"].startswith("-")
    ]
    stage.expect.equal("three mailboxes fewer: 3.90 x 3 x 12/31 back", storno, ["-4.53"])
    notes = [
        (one["external_id"], one["totals"]["imponibile"], one["corrects"]["date"])
        for one in documents if one["tipo_documento"] == "TD04"
    ]  # fmt: skip
    stage.expect.equal(
        "what was no document is credited: one credit note, to the invoice of December",
        notes, [(CORRECTED, "0.75", "2026-12-01")],
    )  # fmt: skip


async def _documents(stage: Stage) -> list[dict[str, Any]]:
    return [one for one in await stage.read("invoices") if one["date"] == JANUARY]


def _lines(document: dict[str, Any] | None, sku: str) -> list[dict[str, Any]]:
    return [line for line in (document or {"lines": []})["lines"] if line["sku"] == sku]


async def act_statement(stage: Stage) -> None:
    """5 January: the quarter is over; VAR-MO-01 gets its statement, and the books still agree."""
    stage.leap(rome(2027, 1, 5, 9, 0))
    today = SteeredClock(stage.clock_file).now().date()
    await settled(stage.stack.url_of("billing"), "2026-Q4", today)

    def stated() -> list[str]:
        return [
            item.event["data"]["due"] for item in stage.receivers.of("vicino.settlement.issued.v1")
            if item.event["data"]["reseller_id"] == RESELLER
        ]  # fmt: skip

    async def heard() -> bool:
        return bool(stated())

    await stage.until(f"{RESELLER} gets its statement of the quarter", heard)
    stage.expect.equal("it is paid its share of what was paid", stated(), ["56.32"])
    found = [
        difference
        async for _, one in audited(
            stage.stack.url_of("billing"), date(2026, 11, 1), date(2027, 1, 6), None
        )
        for difference in one.differences
    ]
    stage.expect.equal("the books agree after all corrections", found, [])
    accounts = (await stage.billing_api.call("GET", "/v1/accounts")).body
    total = sum(Decimal(row["balance"]) for row in accounts)
    stage.expect.equal("the ledger is in balance", (bool(accounts), total), (True, Decimal(0)))


def _usage(service: DemoService, meter: str, event_id: str, at: Any, **data: str) -> dict[str, Any]:
    source = f"/{service.sku.lower()}/{service.tenant.lower()}"
    body = {"service_id": service.service_id, "meter": meter, **data}
    return cloud_event(USAGE, event_id, source, at.isoformat(), body, service.tenant_id)


async def _send(stage: Stage, sender: str, events: list[dict[str, Any]], what: str) -> None:
    answer = await stage.client(sender).send_batch(events)
    stage.sent += len(events)
    stage.expect.equal(what, answer.status, 202)
