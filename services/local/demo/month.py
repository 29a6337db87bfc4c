"""A month: first invoices, a firm that grows, usage in order and out of it, and what the month costs."""

import asyncio
from collections import Counter
from typing import Any

from services.local.demo import checks
from services.local.demo.stage import ORDER, Stage, reasons, rome
from services.local.demo.usage import DemoService, november, wrong, wrong_behind_the_door
from services.local.demo.world import PARTIES, cloud_event


async def act_first_invoices(stage: Stage) -> None:
    """Two days later the first invoices are final: fees in advance, and set-up."""
    stage.leap(rome(2026, 11, 3, 0, 5))

    # SME-02 pays in arrears only; everybody else but SME-10, who waits, has something to pay in advance.
    advance = {t["external_id"] for t in PARTIES["tenants"]} - {"SME-02", "SME-10"}

    async def all_issued() -> bool:
        return {
            i["external_id"] for i in await stage.read("invoices") if i["date"] == "2026-11-01"
        } == advance

    await stage.until("first invoices are issued, dated the first of November", all_issued)


async def act_grow(stage: Stage) -> None:
    """SME-01 adds two users from the twelfth of November."""
    stage.leap(rome(2026, 11, 12, 9, 0))
    tenant = (await stage.tenants())["SME-01"]
    erp = next(service for service in tenant["services"] if service["sku"] == "ERP-CLOUD")
    item = {"action": "change", "service_id": erp["service_id"], "quantities": {"extra_user": "5"}}
    event = cloud_event(
        ORDER,
        "order-SME-01-more",
        "/portal",
        stage.now(),
        {"reference": "ORD-SME-01-2", "items": [item]},
        tenant["tenant_id"],
    )
    answer = await stage.client("VAR-MO-01").send(event)
    stage.expect.equal("the order for two more users is accepted", answer.status, 202)

    async def changed() -> bool:
        services = (await stage.tenants())["SME-01"]["services"]
        return any(service["quantities"].get("extra_user") == "5" for service in services)

    await stage.until("SME-01 has five extra users", changed)


async def act_usage(stage: Stage) -> None:
    """The month's usage arrives: in order and out of it, some of it twice, some of it wrong."""
    stage.leap(rome(2026, 11, 30, 23, 30))
    services = await stage.services()
    stage.sending = november(services)
    gate = asyncio.Semaphore(4)

    async def send(sender: str, batch: list[dict[str, Any]]) -> int:
        async with gate:
            answer = await stage.client(sender).send_batch(batch)
        stage.sent += len(batch)
        stage.tell(f"{stage.sent:,} events sent")
        return answer.status

    statuses = await asyncio.gather(
        *(send(sender, batch) for sender, batch in stage.sending.batches)
    )
    stage.expect.equal(
        "every batch of good usage is accepted", Counter(statuses), Counter({202: len(statuses)})
    )
    erp = {service.tenant: service for service in services if service.sku == "ERP-CLOUD"}
    await _send_wrong(stage, erp["SME-01"], erp["SME-05"])
    await stage.until("all usage has come to its end", lambda: _usage_done(stage))
    await checks.usage(stage.expect, stage.sending, await stage.usage_account())
    await _reads_its_own(stage, erp["SME-01"])


async def _send_wrong(stage: Stage, own: DemoService, foreign: DemoService) -> None:
    """What must be refused at the door, each for its own reason; and what only the counting can judge."""
    client = stage.client(own.reseller)
    bad_requests = wrong(own, foreign)
    for bad in bad_requests:
        answer = await client.raw(bad.body, bad.content_type)
        found = (answer.status // 100, reasons(answer)[:1])
        stage.expect.equal(f"refused at the door: {bad.what}", found, (4, [bad.reason]))
        stage.refusals.update(reasons(answer)[:1])
    behind = wrong_behind_the_door(own)
    answers = [await client.send(event) for event in behind]
    stage.expect.equal(
        "what the door cannot judge is let in", [a.status for a in answers], [202] * len(behind)
    )
    stage.sent += len(bad_requests) + len(behind)


async def _reads_its_own(stage: Stage, own: DemoService) -> None:
    """What a reseller sees through the door: what became of its events, and its tenants with what they used."""
    client = stage.client(own.reseller)

    async def rejects() -> list[str]:
        return sorted(row["id"] for row in (await client.call("GET", "/v1/rejects")).body)

    behind = sorted(event["id"] for event in wrong_behind_the_door(own))

    async def has_come_back() -> bool:
        return await rejects() == behind

    await stage.until("what was rejected behind the door is back at its sender", has_come_back)
    served = sorted(t["tenant_id"] for t in await stage.read("tenants") if t["reseller_id"] == own.reseller)  # fmt: skip
    seen = (await client.call("GET", "/v1/tenants")).body
    shown = sorted(tenant["tenant_id"] for tenant in seen)
    stage.expect.equal("a reseller sees its own tenants and no other's", shown, served)
    days = "from=2026-11-01&to=2026-12-01&meter=e_invoices"
    used = await client.call("GET", f"/v1/usage?tenant_id={own.tenant_id}&{days}")
    documents = sum(int(row["quantity"]) for row in used.body)
    stage.expect.that("and what they used", documents > 0, documents)


async def _usage_done(stage: Stage) -> bool:
    account = await stage.usage_account()
    done = account["counted"] + account["duplicates"] + sum(account["rejected"].values())
    stage.tell(f"{done:,} of {account['sent']:,} events have come to their end")
    return bool(done == account["sent"])


async def act_month_end(stage: Stage) -> None:
    """The month ends: everybody is invoiced; SME-01 to the cent."""
    stage.leap(rome(2026, 12, 3, 0, 5))

    async def issued() -> bool:
        return len([i for i in await stage.read("invoices") if i["date"] == "2026-12-01"]) == 10

    await stage.until("every active tenant is invoiced on the first of December", issued)
    await checks.invoices(stage.expect, await stage.read("invoices"), stage.sending)
