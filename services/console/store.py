"""The console's statements (`queries.sql`), and its read model as plain dictionaries."""

from pathlib import Path
from typing import Any

from services.chassis.database import Connection, load_queries
from services.chassis.store import rows

sql = load_queries(Path(__file__).parent / "queries.sql")


async def tenants(db: Connection, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Tenants with their services."""
    return [dict(row) for row in await rows(sql.tenants(db, id=tenant_id))]


async def orders(db: Connection, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Orders, newest first."""
    return [dict(row) for row in await rows(sql.orders(db, tenant_id=tenant_id))]


async def resellers(db: Connection) -> list[dict[str, Any]]:
    """Resellers, with how many tenants they serve in all."""
    found = await rows(sql.resellers(db))
    return [
        {**row["profile"], "assigned": row["assigned"], "serving": row["profile"]["active"] + row["assigned"]}
        for row in found
    ]


async def invoices(db: Connection, tenant_id: str | None = None, invoice_id: str | None = None) -> list[dict[str, Any]]:
    """Invoices with their lines and totals, newest first."""
    found = await rows(sql.invoices(db, tenant_id=tenant_id, id=invoice_id))
    return [
        {**{k: v for k, v in row.items() if k != "document"}, **row["document"], "date": row["date"]} for row in found
    ]


def _state(row: Any) -> str:
    if row["resolved_at"]:
        return "resolved"
    if row["acknowledged_at"]:
        return "acknowledged"
    return "escalated" if row["escalated_at"] else "open"


async def alerts(db: Connection, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Alerts with their state, newest first."""
    found = await rows(sql.alerts(db, tenant_id=tenant_id))
    return [
        {**row["document"], **{k: v for k, v in row.items() if k != "document"}, "state": _state(row)} for row in found
    ]


async def deliveries(db: Connection, limit: int = 200) -> list[dict[str, Any]]:
    """Notifications, newest first."""
    return [dict(row) for row in await rows(sql.deliveries(db, limit=limit))]
