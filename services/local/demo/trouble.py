"""Trouble: a service goes silent, a back-end refuses for good, an incident finds nobody; and who is notified."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from schemas import identity
from services.local.demo import checks
from services.local.demo.stage import ORDER, Stage, rome
from services.local.demo.usage import ROME, DemoService
from services.local.demo.world import OPERATOR_EMAIL, cloud_event

HEARTBEAT = "vicino.heartbeat.received.v1"


async def act_silence(stage: Stage) -> None:
    """SME-03's management software stops sending its heartbeat; others go on."""
    stage.leap(rome(2026, 12, 3, 10, 0))
    services = await stage.services()
    silent = next(
        service for service in services if (service.tenant, service.sku) == ("SME-03", "ERP-CLOUD")
    )
    stage.troubled["heartbeat_missing"] = silent
    await _beat(stage, [silent, *_lively(services)])
    stage.leap(rome(2026, 12, 3, 11, 0))
    await _beat(stage, _lively(services))
    stage.leap(rome(2026, 12, 3, 11, 31))
    await stage.until(
        "a missing heartbeat is brought to the reseller", lambda: _told(stage, "heartbeat_missing")
    )


def _lively(services: list[DemoService]) -> list[DemoService]:
    return [service for service in services if service.tenant in ("SME-01", "SME-02", "SME-09")]


async def _beat(stage: Stage, services: list[DemoService]) -> None:
    """Signs of life of some services."""
    hour = f"{stage.clock.now().astimezone(ROME):%H:%M}"
    events = [
        cloud_event(
            HEARTBEAT, f"beat-{service.service_id}-{hour}", "/beats", stage.now(),
            {"service_id": service.service_id}, service.tenant_id,
        )
        for service in services
    ]  # fmt: skip
    wanted = await _signals_taken(stage) + len(events)
    answer = await stage.client("backend").send_batch(events)
    stage.expect.equal(f"heartbeats of {hour} are accepted", answer.status, 202)

    async def taken() -> bool:
        return await _signals_taken(stage) >= wanted

    await stage.until(f"heartbeats of {hour} are taken", taken)


async def _signals_taken(stage: Stage) -> float:
    """Signals that monitoring has done, by its own metric."""
    async with stage.session.get(f"{stage.stack.inside('monitoring')}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    samples = (sample for family in families for sample in family.samples)
    return sum(
        s.value
        for s in samples
        if s.name == "vicino_engine_records_total" and s.labels["topic"] == "signals.v1"
    )


async def _told(stage: Stage, kind: str) -> bool:
    return any(
        item.event["data"]["kind"] == kind for item in stage.receivers.of("vicino.alert.opened.v1")
    )


async def act_refusal(stage: Stage) -> None:
    """SME-04 orders mail; the back-end refuses for good; what was made is taken back."""
    tenant_id = stage.tenant_ids["SME-04"]
    stage.backend.refused_tenants.add(tenant_id)
    items = [{"action": "add", "sku": "MAIL-STD", "quantities": {"mailbox": "3"}}]
    event = cloud_event(
        ORDER,
        "order-SME-04-mail",
        "/portal",
        stage.now(),
        {"reference": "ORD-SME-04-2", "items": items},
        tenant_id,
    )
    answer = await stage.client("VAR-BA-01").send(event)
    stage.expect.equal("SME-04's order for mail is accepted", answer.status, 202)
    service_id = identity.service_id(answer.body["accepted"][0]["order_id"], 0)
    stage.troubled["provisioning_failed"] = DemoService(
        "SME-04", tenant_id, service_id, "MAIL-STD", "VAR-BA-01"
    )
    await stage.until(
        "a service that cannot be made is brought to the reseller",
        lambda: _told(stage, "provisioning_failed"),
    )

    async def failed() -> bool:
        return "failed" in {
            o["state"] for o in await stage.read("orders") if o["reference"] == "ORD-SME-04-2"
        }

    await stage.until("the order has failed, and says so", failed)
    await checks.nothing_left(stage.expect, stage, service_id)


async def act_incident(stage: Stage) -> None:
    """SME-06's reseller reports an incident and then forgets about it."""
    shop = next(service for service in await stage.services() if service.tenant == "SME-06")
    stage.troubled["incident"] = shop
    data = {
        "service_id": shop.service_id,
        "severity": "P1",
        "summary": "Il negozio on line non risponde",
    }
    event = cloud_event(
        "vicino.incident.reported.v1", "incident-1", "/helpdesk", stage.now(), data, shop.tenant_id
    )
    answer = await stage.client(shop.reseller).send(event)
    stage.expect.equal("a reported incident is accepted", answer.status, 202)
    await stage.until("the incident is brought to the reseller", lambda: _told(stage, "incident"))


async def act_answers(stage: Stage) -> None:
    """Two alerts are acknowledged and resolved; the third passes its deadline and escalates to the operator."""
    await _answer_alerts(stage)
    stage.leap(rome(2026, 12, 3, 12, 25))
    await _beat(stage, _lively(await stage.services()))
    stage.leap(rome(2026, 12, 3, 12, 58))

    async def mailed() -> bool:
        return any("Filati di Empoli" in mail for mail in stage.mailbox.to(OPERATOR_EMAIL))

    async def escalated() -> bool:
        return "escalated" in {alert["state"] for alert in await stage.read("alerts")}

    await stage.until("an alert that nobody acknowledges reaches the operator's mail", mailed)
    await stage.until("the console shows it as escalated", escalated)
    await checks.alerts(stage.expect, stage)


async def _answer_alerts(stage: Stage) -> None:
    """The resellers of the first two alerts acknowledge and resolve them, by events."""
    for item in [
        i
        for i in stage.receivers.of("vicino.alert.opened.v1")
        if i.event["data"]["kind"] != "incident"
    ]:
        alert = item.event["data"]
        for kind in ("acknowledgement", "resolution"):
            event = cloud_event(
                f"vicino.{kind}.given.v1", f"{kind}-{alert['alert_id']}", "/helpdesk", stage.now(),
                {"alert_id": alert["alert_id"], "by": "help desk"}, item.event["subject"],
            )  # fmt: skip
            answer = await stage.client(item.reseller).send(event)
            stage.expect.equal(f"{item.reseller}'s {kind} is accepted", answer.status, 202)

    async def resolved() -> bool:
        return Counter(alert["state"] for alert in await stage.read("alerts"))["resolved"] == 2

    await stage.until("acknowledged and resolved alerts are resolved", resolved)
