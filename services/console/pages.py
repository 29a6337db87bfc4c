"""The operator's pages: server-rendered, no script, nothing from elsewhere."""

from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console import italian

ROME = ZoneInfo("Europe/Rome")


def _moment(value: datetime | str | None) -> str:
    if value is None:
        return "-"
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.astimezone(ROME):%d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y, %H:%M}"


def _spoken(wire_type: str) -> str:
    """An event's type as people say it: `vicino.alert.opened.v1` is `alert opened`."""
    return " ".join(wire_type.split(".")[1:-1])


def environment() -> Environment:
    """The templates. Everything is escaped; an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    made.filters.update(
        amount=italian.amount, quantity=italian.quantity, day=italian.day, moment=_moment, spoken=_spoken
    )
    return made


def waiting(
    tenants: list[dict[str, Any]], orders: list[dict[str, Any]], alerts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Who waits for what: tenants for a person, orders for their end, alerts for an answer."""
    return {
        "tenants": [tenant for tenant in tenants if tenant["state"] == "waiting"],
        "orders": [order for order in orders if order["state"] in ("held", "acknowledged", "failed")],
        "alerts": [alert for alert in alerts if alert["state"] in ("open", "escalated")],
    }


def bars(rows: list[tuple[str, Decimal]]) -> list[dict[str, Any]]:
    """Horizontal bars for a small plot: label, value, length in percent of the longest."""
    top = max((value for _, value in rows), default=Decimal(0)) or Decimal(1)
    return [{"label": label, "value": value, "percent": max(0, round(100 * value / top))} for label, value in rows]


def overview(
    tenants: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    invoices: list[dict[str, Any]],
    alerts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The figures of the first page."""
    invoiced: defaultdict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        invoiced[invoice["external_id"] or invoice["tenant_id"]] += Decimal(invoice["totals"]["imponibile"])
    return {
        "tenants": Counter(tenant["state"] for tenant in tenants),
        "orders": Counter(order["state"] for order in orders),
        "alerts": Counter(alert["state"] for alert in alerts),
        "invoiced_total": sum((Decimal(i["totals"]["imponibile"]) for i in invoices), Decimal(0)),
        "invoices": len(invoices),
        "plot": bars(sorted(invoiced.items())),
    }
