"""What is checked after each act, and what the demo writes down."""

import json
from collections import Counter
from decimal import ROUND_CEILING, Decimal
from typing import Any

import asyncpg

import schemas.events  # noqa: F401 - loads every payload into the registry that events are read with
from services.local.demo import secrecy
from services.local.demo.expectations import Expectations
from services.local.demo.stage import Stage
from services.local.demo.usage import BACKUP_GB, DUPLICATE_ONE_IN, Sending
from services.local.demo.world import DATA, OPERATOR_EMAIL, PARTIES
from services.onboarding.domain.credentials import derive

WINNERS = {
    "SME-01": ("VAR-MO-01", "27.6"), "SME-02": ("VAR-BZ-01", "70.6"), "SME-05": ("VAR-BG-01", "45.2"), "SME-10": (None, None),
}  # fmt: skip
NETS = {
    "2026-11-01": {
        "SME-01": "307.80", "SME-03": "237.00", "SME-04": "369.00", "SME-05": "270.70", "SME-06": "369.00", "SME-07": "237.00",
        "SME-08": "105.00", "SME-09": "237.00", "SME-11": "402.70",
    },
    "2026-12-01": {
        "SME-01": "317.87", "SME-02": "441.58", "SME-03": "449.68", "SME-04": "301.50", "SME-05": "238.05", "SME-06": "79.00",
        "SME-07": "87.00", "SME-08": "113.50", "SME-09": "310.57", "SME-11": "215.20",
    },
}  # fmt: skip
"""What each invoice must come to, worked out from the catalogue and the seeded usage by other means than this code."""

INVOICE_FIELDS = (
    "n", "sku", "description", "quantity", "unit_price", "um", "net", "period_from", "period_to", "aliquota_iva", "natura",
    "commissionable",
)  # fmt: skip
NUMBERS = frozenset({"quantity", "unit_price", "net", "aliquota_iva"})


def assignments(expect: Expectations, tenants: dict[str, dict[str, Any]]) -> None:
    """The policy's worked examples, and that each choice is explained."""
    for name, (reseller, km) in WINNERS.items():
        found = tenants[name]
        distance = None if found["distance_km"] is None else str(found["distance_km"])
        expect.equal(
            f"{name} is served by {reseller or 'nobody yet'}",
            (found["reseller_id"], distance),
            (reseller, km),
        )
    milan: dict[str, Any] = next(
        (row for row in tenants["SME-05"]["ranking"] if row["reseller_id"] == "VAR-MI-01"), {}
    )
    expect.equal("SME-05's ranking says that Milan is full", milan.get("excluded"), ["capacity"])
    expect.equal(
        "every ranking names all nine resellers",
        {len(t["ranking"]) for n, t in tenants.items() if n != "SME-10"},
        {9},
    )
    rome = tenants["SME-10"]["ranking"][0]
    nearest = (rome["reseller_id"], str(rome["distance_km"]), "distance" in rome["excluded"])
    expect.equal(
        "SME-10's person reads that the nearest, in Rome, is too far",
        nearest,
        ("VAR-RM-01", "411.9", True),
    )


async def usage(expect: Expectations, sending: Sending, account: dict[str, Any]) -> None:
    """The account of usage: what was valid counts once, and every other event has a reason."""
    expect.that(
        "at least 20,000 usage events were sent", account["sent"] >= 20_000, account["sent"]
    )
    expect.equal("every valid event counts exactly once", account["counted"], sending.valid)
    expect.equal("every event sent twice counts once", account["duplicates"], sending.duplicates)
    total = account["counted"] + account["duplicates"] + sum(account["rejected"].values())
    expect.equal("sent = counted + duplicates + rejected", total, account["sent"])
    share = account["duplicates"] * DUPLICATE_ONE_IN / max(account["counted"], 1)
    expect.that("one in twenty was sent twice", 0.9 < share < 1.1, share)
    expect.that(
        "much of it came out of order",
        sending.out_of_order > account["counted"] // 4,
        sending.out_of_order,
    )
    expect.equal(
        "an event in another's name is refused", account["rejected"].get("wrong_tenant"), 1
    )
    expect.equal(
        "an id used for something else is rejected", account["rejected"].get("id_reuse"), 2
    )
    expect.equal(
        "a number where a document belongs is refused", account["rejected"].get("wrong_value"), 1
    )


async def invoices(expect: Expectations, found: list[dict[str, Any]], sending: Sending) -> None:
    """SME-01's invoice is the worked example; every other one adds up, and charges what was measured."""
    december = {
        invoice["external_id"]: invoice for invoice in found if invoice["date"] == "2026-12-01"
    }
    wanted = json.loads((DATA / "expected_invoice_sme01.json").read_text(encoding="utf-8"))
    own = december.get("SME-01", {"lines": [], "totals": {}, "due": None})
    expect.equal(
        "SME-01's invoice of 1 December, line by line",
        [_line(x) for x in own["lines"]],
        [_line(x) for x in wanted["lines"]],
    )
    totals = {name: own["totals"].get(name) for name in wanted["totals"]}
    expect.equal(
        "SME-01's invoice of 1 December, totals and due date",
        (totals, own["due"]),
        (wanted["totals"], wanted["due"]),
    )
    for day, nets in NETS.items():
        issued = {
            invoice["external_id"]: invoice["totals"]["imponibile"]
            for invoice in found
            if invoice["date"] == day
        }
        expect.equal(f"every invoice of {day} comes to what it must", issued, nets)
    expect.equal("every invoice adds up", [i["number"] for i in found if not _adds_up(i)], [])
    numbers = sorted(invoice["number"] for invoice in found)
    expect.equal(
        "invoice numbers have no gaps",
        numbers,
        [f"2026/A/{n:06d}" for n in range(1, len(found) + 1)],
    )
    _models(expect, december, sending)
    first = {i["external_id"]: i for i in found if i["date"] == "2026-11-01"}
    setup = [
        line["net"]
        for line in first.get("SME-01", {"lines": []})["lines"]
        if line["sku"] == "ERP-CLOUD/setup"
    ]
    expect.equal("SME-01's first invoice has the set-up fee", setup, ["150.00"])


def _models(expect: Expectations, december: dict[str, dict[str, Any]], sending: Sending) -> None:
    """Every price model of the catalogue, from the quantities that were sent."""

    def net(tenant: str, sku: str) -> Decimal:
        return sum(
            (Decimal(x["net"]) for x in december[tenant]["lines"] if x["sku"] == sku), Decimal(0)
        )

    def cents(value: Decimal) -> Decimal:
        return (value + Decimal("0.005")).quantize(Decimal("0.01"), "ROUND_DOWN")

    fixed, mobile = (
        sending.quantities[("SME-02", "minutes_fixed")],
        sending.quantities[("SME-02", "minutes_mobile")],
    )
    expect.equal(
        "per unit with an allowance: fixed minutes",
        net("SME-02", "VOIP-PBX/minutes_fixed"),
        cents((fixed - 500) * Decimal("0.015")),
    )
    expect.equal(
        "per unit: mobile minutes",
        net("SME-02", "VOIP-PBX/minutes_mobile"),
        cents(mobile * Decimal("0.045")),
    )
    documents = Decimal("32.00") + Decimal("75.00") + Decimal("9.00")
    expect.equal("graduated: 2,300 documents", net("SME-05", "ERP-CLOUD/e_invoices"), documents)
    backup = (
        Decimal("81.00") + Decimal("210.00") + cents((BACKUP_GB["SME-03"] - 2000) * Decimal("0.10"))
    )
    expect.equal(
        "time weighted and graduated: GB-months of backup", net("SME-03", "BACKUP-PRO/gb"), backup
    )
    expect.equal(
        "volume: five seats at the price of their tier",
        net("SME-08", "CRM-TEAM/seat"),
        Decimal("105.00"),
    )
    calls = sending.quantities[("SME-08", "api_calls")]
    packages = ((calls - 10_000) / 1000).to_integral_value(ROUND_CEILING)
    expect.equal(
        "package: API calls in whole thousands",
        net("SME-08", "CRM-TEAM/api_calls"),
        packages * Decimal("0.50"),
    )
    expect.equal(
        "in arrears: six extensions", net("SME-02", "VOIP-PBX/extension"), Decimal("45.00")
    )


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


async def leftovers(stage: Stage, service_id: str) -> int:
    """How many databases and logins a service has."""
    made = derive(secrecy.key_bytes(stage.stack.master_key), service_id)
    connection = await asyncpg.connect(stage.stack.superuser_url)
    left = await connection.fetchval(
        "select (select count(*) from pg_database where datname = $1) + (select count(*) from pg_roles where rolname = $1)",
        made.role,
    )
    await connection.close()
    return int(left)


async def nothing_left(expect: Expectations, stage: Stage, service_id: str) -> None:
    """A service that failed left no database, no login and nothing in its back-end."""
    left = await leftovers(stage, service_id)
    expect.equal("a failed service leaves no database and no login", left, 0)
    expect.that(
        "a failed service leaves nothing in its back-end", service_id not in stage.backend.services
    )
    calls = stage.backend.calls[stage.tenant_ids["SME-04"]]
    expect.equal("the back-end was asked once: it refused for good", calls, 1)
    expect.equal(
        "no call to the back-end came without Vicino's signature", stage.backend.turned_away, 0
    )


async def alerts(expect: Expectations, stage: Stage) -> None:
    """Each alert was told once, signed, to the right reseller, and names everyone and the deadline."""
    told = stage.receivers.of("vicino.alert.opened.v1")
    kinds = Counter(item.event["data"]["kind"] for item in told)
    expect.equal("three alerts, each told once", kinds, Counter(stage.troubled.keys()))
    expect.equal("every webhook's signature was good", stage.receivers.refused, 0)
    technicians = {reseller["id"]: reseller["contact"] for reseller in PARTIES["resellers"]}
    firms = {tenant["external_id"]: tenant["contact"] for tenant in PARTIES["tenants"]}
    for item in told:
        data, about = item.event["data"], stage.troubled[item.event["data"]["kind"]]
        kind = data["kind"].replace("_", " ")
        expect.equal(f"{kind}: the tenant's own reseller was told", item.reseller, about.reseller)
        found = (data["tenant"]["external_id"], data["service_id"])
        expect.equal(
            f"{kind}: the alert names the tenant and the service",
            found,
            (about.tenant, about.service_id),
        )
        people = (data["contact"]["name"], data["tenant"]["contact"]["phone"])
        wanted = (technicians[about.reseller]["name"], firms[about.tenant]["phone"])
        expect.equal(f"{kind}: the alert names the technician and whom to call", people, wanted)
        expect.that(
            f"{kind}: the alert names a deadline ahead",
            data["acknowledge_by"] > data["opened_at"],
            data,
        )
    expect.equal("one mail went to the operator", len(stage.mailbox.to(OPERATOR_EMAIL)), 1)
    states = {alert["kind"]: alert["state"] for alert in await stage.read("alerts")}
    ends = {
        "heartbeat_missing": "resolved",
        "provisioning_failed": "resolved",
        "incident": "escalated",
    }
    expect.equal("two alerts are resolved, one has escalated", states, ends)
