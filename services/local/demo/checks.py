"""What is checked after each act, and what the demo writes down."""

import asyncio
import json
from base64 import b64decode
from collections import Counter
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import identity
from schemas.topics import TOPICS
from services.local.demo.expectations import Expectations
from services.local.demo.usage import BACKUP_GB, Sending, Service
from services.local.demo.world import DATA, PARTIES
from services.onboarding.domain.credentials import derive

if TYPE_CHECKING:
    from services.local.demo.story import Story

WINNERS = {
    "SME-01": ("VAR-MO-01", "27.6"), "SME-02": ("VAR-BZ-01", "70.6"), "SME-05": ("VAR-BG-01", "45.2"), "SME-10": (None, None),
}  # fmt: skip
INVOICE_FIELDS = (
    "n", "sku", "description", "quantity", "unit_price", "um", "net", "period_from", "period_to", "aliquota_iva", "natura",
    "commissionable",
)  # fmt: skip
NUMBERS = frozenset({"quantity", "unit_price", "net", "aliquota_iva"})


def key_bytes(master_key: str) -> bytes:
    """The master key's bytes."""
    return b64decode(master_key)


def assignments(expect: Expectations, tenants: dict[str, dict[str, Any]]) -> None:
    """The policy's worked examples, and that each choice is explained."""
    for name, (reseller, km) in WINNERS.items():
        found = tenants[name]
        distance = None if found["distance_km"] is None else str(found["distance_km"])
        expect.equal(
            f"{name} is served by {reseller or 'nobody yet'}", (found["reseller_id"], distance), (reseller, km)
        )
    milan: dict[str, Any] = next((row for row in tenants["SME-05"]["ranking"] if row["reseller_id"] == "VAR-MI-01"), {})
    expect.equal("SME-05's ranking says that Milan is full", milan.get("excluded"), ["capacity"])
    expect.equal(
        "every ranking names all nine resellers", {len(t["ranking"]) for n, t in tenants.items() if n != "SME-10"}, {9}
    )


async def usage(expect: Expectations, sending: Sending, account: dict[str, Any]) -> None:
    """The account of usage: what was valid counts once, and every other event has a reason."""
    expect.that("at least 20,000 usage events were sent", account["sent"] >= 20_000, account["sent"])
    expect.equal("every valid event counts exactly once", account["counted"], sending.valid)
    expect.equal("every event sent twice counts once", account["duplicates"], sending.duplicates)
    total = account["counted"] + account["duplicates"] + sum(account["rejected"].values())
    expect.equal("sent = counted + duplicates + rejected", total, account["sent"])
    expect.that("an event in another's name is refused", account["rejected"].get("wrong_tenant", 0) >= 1, account)
    expect.equal("an id used for something else is rejected", account["rejected"].get("id_reuse"), 2)


async def invoices(expect: Expectations, found: list[dict[str, Any]], sending: Sending) -> None:
    """SME-01's invoice is the worked example; every other one adds up, and charges what was measured."""
    december = {invoice["external_id"]: invoice for invoice in found if invoice["date"] == "2026-12-01"}
    wanted = json.loads((DATA / "expected_invoice_sme01.json").read_text(encoding="utf-8"))
    own = december.get("SME-01", {"lines": [], "totals": {}, "due": None})
    expect.equal(
        "SME-01's invoice of 1 December, line by line",
        [_line(x) for x in own["lines"]],
        [_line(x) for x in wanted["lines"]],
    )
    totals = {name: own["totals"].get(name) for name in wanted["totals"]}
    expect.equal(
        "SME-01's invoice of 1 December, totals and due date", (totals, own["due"]), (wanted["totals"], wanted["due"])
    )
    expect.equal("every invoice adds up", [i["number"] for i in found if not _adds_up(i)], [])
    numbers = sorted(invoice["number"] for invoice in found)
    expect.equal("invoice numbers have no gaps", numbers, [f"2026/A/{n:06d}" for n in range(1, len(found) + 1)])
    _models(expect, december, sending)
    first = {i["external_id"]: i for i in found if i["date"] == "2026-11-01"}
    setup = [line["net"] for line in first.get("SME-01", {"lines": []})["lines"] if line["sku"] == "ERP-CLOUD/setup"]
    expect.equal("SME-01's first invoice has the set-up fee", setup, ["150.00"])


def _models(expect: Expectations, december: dict[str, dict[str, Any]], sending: Sending) -> None:
    """Every price model of the catalogue, from the quantities that were sent."""

    def net(tenant: str, sku: str) -> Decimal:
        return sum((Decimal(x["net"]) for x in december[tenant]["lines"] if x["sku"] == sku), Decimal(0))

    def cents(value: Decimal) -> Decimal:
        return (value + Decimal("0.005")).quantize(Decimal("0.01"), "ROUND_DOWN")

    fixed, mobile = sending.quantities[("SME-02", "minutes_fixed")], sending.quantities[("SME-02", "minutes_mobile")]
    expect.equal(
        "per unit with an allowance: fixed minutes",
        net("SME-02", "VOIP-PBX/minutes_fixed"),
        cents((fixed - 500) * Decimal("0.015")),
    )
    expect.equal("per unit: mobile minutes", net("SME-02", "VOIP-PBX/minutes_mobile"), cents(mobile * Decimal("0.045")))
    documents = Decimal("32.00") + Decimal("75.00") + Decimal("9.00")
    expect.equal("graduated: 2,300 documents", net("SME-05", "ERP-CLOUD/e_invoices"), documents)
    backup = Decimal("81.00") + Decimal("210.00") + cents((BACKUP_GB["SME-03"] - 2000) * Decimal("0.10"))
    expect.equal("time weighted and graduated: GB-months of backup", net("SME-03", "BACKUP-PRO/gb"), backup)
    expect.equal("volume: five seats at the price of their tier", net("SME-08", "CRM-TEAM/seat"), Decimal("105.00"))
    calls = sending.quantities[("SME-08", "api_calls")]
    packages = ((calls - 10_000) / 1000).to_integral_value(ROUND_CEILING)
    expect.equal(
        "package: API calls in whole thousands", net("SME-08", "CRM-TEAM/api_calls"), packages * Decimal("0.50")
    )
    expect.equal("in arrears: six extensions", net("SME-02", "VOIP-PBX/extension"), Decimal("45.00"))


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(line[name]) if name in NUMBERS else line[name] for name in INVOICE_FIELDS}


def _adds_up(invoice: dict[str, Any]) -> bool:
    totals = invoice["totals"]
    net = sum((Decimal(line["net"]) for line in invoice["lines"]), Decimal(0))
    tax = (net * 22 / 100 + Decimal("0.005")).quantize(Decimal("0.01"), "ROUND_DOWN")
    return (
        net == Decimal(totals["imponibile"])
        and tax == Decimal(totals["imposta"])
        and net + tax == Decimal(totals["totale_documento"])
    )


async def nothing_left(expect: Expectations, story: "Story", order_id: str) -> None:
    """A service that failed left no database, no login and nothing in its back-end."""
    service_id = identity.service_id(order_id, 0)
    made = derive(key_bytes(story.stack.master_key), service_id)
    connection = await asyncpg.connect(story.stack.superuser_url)
    left = await connection.fetchval(
        "select (select count(*) from pg_database where datname = $1) + (select count(*) from pg_roles where rolname = $1)",
        made.role,
    )
    await connection.close()
    expect.equal("a failed service leaves no database and no login", left, 0)
    expect.that("a failed service leaves nothing in its back-end", service_id not in story.backend.services)
    calls = story.backend.calls[story.tenant_ids["SME-04"]]
    expect.equal("the back-end was asked five times", calls, 5)


async def alerts(expect: Expectations, story: "Story", silent: Service) -> None:
    """Each alert was told once, signed, to the right reseller, and names everyone."""
    told = story.receivers.of("vicino.alert.opened.v1")
    by_kind = {item.event["data"]["kind"]: item for item in told}
    expect.equal("three alerts, each told once", (len(told), len({i.message_id for i in told})), (3, 3))
    expect.equal("every webhook's signature was good", story.receivers.refused, 0)
    heartbeat = by_kind["heartbeat_missing"]
    data = heartbeat.event["data"]
    expect.equal("the silent service's reseller was told", heartbeat.reseller, silent.reseller)
    expect.equal(
        "the alert names the tenant and the service",
        (data["tenant"]["external_id"], data["service_id"]),
        (silent.tenant, silent.service_id),
    )
    expect.that("the alert names the technician, the firm's contact and the deadline",
                data["contact"]["name"] and data["tenant"]["contact"]["phone"] and data["acknowledge_by"], data)  # fmt: skip
    expect.equal("the failed order's reseller was told", by_kind["provisioning_failed"].reseller, "VAR-BA-01")
    expect.equal("one mail went to the operator", len(story.mailbox.mails), 1)
    found = {alert["kind"]: alert["state"] for alert in await story.read("alerts")}
    wanted = {"heartbeat_missing": "resolved", "provisioning_failed": "resolved", "incident": "escalated"}
    expect.equal("two alerts are resolved, one has escalated", found, wanted)


async def secrets(expect: Expectations, story: "Story") -> None:
    """No derived password, API key or signing secret is in any topic or log."""
    master = key_bytes(story.stack.master_key)
    hidden = [derive(master, service.service_id).password.encode() for service in await story.services()]
    hidden += [key.split(".")[1].encode() for key in story.keys.values()]
    hidden += [secret.removeprefix("whsec_").encode() for secret in story.receivers.secrets.values()]
    people = [contact["contact"][field].encode() for contact in PARTIES["resellers"] for field in ("name", "email")]
    people += [tenant["contact"][field].encode() for tenant in PARTIES["tenants"] for field in ("name", "email")]
    told = await topics(story.stack.bootstrap)
    everything = b"".join(value for values in told.values() for value in values)
    logs = b"".join(path.read_bytes() for path in (story.stack.home.path / "logs").glob("*.log"))
    expect.that("all topics were read", len(everything) > 1_000_000, len(everything))
    expect.equal("no secret is in any event", sum(secret in everything for secret in hidden), 0)
    expect.equal("no secret is in any log", sum(secret in logs for secret in hidden), 0)
    inner = b"".join(value for name, values in told.items() if name != "orders.v1" for value in values)
    expect.equal("no person is named in any event but the order", sum(person in inner for person in people), 0)


async def topics(bootstrap: str) -> dict[str, list[bytes]]:
    """All values of all topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        parts = [TopicPartition(topic.name, n) for topic in TOPICS for n in range(topic.partitions)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning()
        found: dict[str, list[bytes]] = {topic.name: [] for topic in TOPICS}
        waiting = {tp for tp in parts if ends[tp] > 0}
        async with asyncio.timeout(30):
            while waiting:
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.topic] += [record.value or b"" for record in records]
                    if records[-1].offset + 1 >= ends[tp]:
                        waiting.discard(tp)
        return found
    finally:
        await consumer.stop()


def _percentile(values: list[int], share: float) -> int | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _since(start: datetime | str, end: str | None) -> int | None:
    if end is None:
        return None
    began = datetime.fromisoformat(start) if isinstance(start, str) else start
    return round((datetime.fromisoformat(end) - began).total_seconds() * 1000)


async def outcome(story: "Story", account: dict[str, Any]) -> dict[str, Any]:
    """What `demo.json` holds."""
    tenants, orders = await story.tenants(), await story.read("orders")
    ended = {
        order["external_id"]: order["completed_at"]
        for order in orders
        if order["reference"] == f"ORD-{order['external_id']}"
    }
    waits = [ms for name, at in story.posted_at.items() if (ms := _since(at, ended.get(name))) is not None]
    return {
        "tenants": [
            {"external_id": name, "name": t["name"], "state": t["state"], "reseller": t["reseller_id"],
             "distance_km": None if t["distance_km"] is None else float(t["distance_km"])}
            for name, t in sorted(tenants.items())
        ],
        "usage": account,
        "invoices": [
            {name: invoice[name] for name in ("external_id", "name", "number", "date", "due", "lines", "totals")}
            for invoice in await story.read("invoices")
        ],
        "alerts": [
            {"tenant": a["external_id"], "reseller": a["reseller_id"], "kind": a["kind"], "state": a["state"],
             "notified_ms": _since(a["opened_at"], a["notified_at"])}
            for a in await story.read("alerts")
        ],
        "orders_to_active_ms": {"p50": _percentile(waits, 0.5), "p99": _percentile(waits, 0.99)},
        "orders": dict(Counter(order["state"] for order in orders)),
        "expectations": [{"name": e.name, "held": e.held, "seen": e.seen} for e in story.expect.found],
    }  # fmt: skip
