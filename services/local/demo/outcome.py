"""What the demo writes down: `.vicino/demo.json`."""

from collections import Counter
from datetime import datetime
from typing import Any

from services.local.demo.stage import Stage, rome

OF_INVOICE = ("external_id", "name", "number", "date", "due", "tipo_documento", "lines", "totals")

SKIPPED_FROM = rome(2026, 12, 4)
"""The story then skips weeks, in which nobody sends signs of life: what falls silent there is no part of it."""


def _percentile(values: list[int], share: float) -> int | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _since(start: datetime | str, end: str | None) -> int | None:
    if end is None:
        return None
    began = datetime.fromisoformat(start) if isinstance(start, str) else start
    return round((datetime.fromisoformat(end) - began).total_seconds() * 1000)


def _passed_over(tenant: dict[str, Any]) -> list[dict[str, Any]]:
    """Who is nearer than the chosen reseller, and why it could not be; without a choice, whoever is nearest."""
    chosen = tenant["distance_km"]
    return [
        {
            "reseller": row["reseller_id"],
            "distance_km": float(row["distance_km"]),
            "excluded": row["excluded"],
        }
        for row in sorted(tenant["ranking"], key=lambda row: float(row["distance_km"]))
        if row["excluded"] and (chosen is None or float(row["distance_km"]) < float(chosen))
    ]


async def outcome(stage: Stage) -> dict[str, Any]:
    """What `demo.json` holds."""
    tenants, orders = await stage.tenants(), await stage.read("orders")
    ended = {
        order["external_id"]: order["completed_at"]
        for order in orders
        if order["reference"] == f"ORD-{order['external_id']}"
    }
    waits = [
        ms
        for name, at in stage.posted_at.items()
        if (ms := _since(at, ended.get(name))) is not None
    ]
    return {
        "tenants": [
            {"external_id": name, "name": t["name"], "state": t["state"], "reseller": t["reseller_id"],
             "distance_km": None if t["distance_km"] is None else float(t["distance_km"]), "passed_over": _passed_over(t)}
            for name, t in sorted(tenants.items())
        ],
        "usage": await stage.usage_account(),
        "invoices": [
            {name: invoice[name] for name in OF_INVOICE}
            for invoice in await stage.read("invoices")
        ],
        "alerts": [
            {"tenant": a["external_id"], "reseller": a["reseller_id"], "kind": a["kind"], "state": a["state"],
             "notified_ms": _since(a["opened_at"], a["notified_at"])}
            for a in await stage.read("alerts") if datetime.fromisoformat(a["opened_at"]) < SKIPPED_FROM
        ],
        "orders_to_active_ms": {"p50": _percentile(waits, 0.5), "p99": _percentile(waits, 0.99)},
        "orders": dict(Counter(order["state"] for order in orders)),
        "expectations": [{"act": e.act, "name": e.name, "held": e.held, "seen": e.seen} for e in stage.expect.found],
    }  # fmt: skip
