"""The console's statements (`queries.sql`), and its read model as plain dictionaries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.scalars import plain
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect
from services.console.domain.stages import WAITING, ServiceStage, alert_state, service_stage

sql = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list: no list is ever read whole."""

    limit: int = 100
    offset: int = 0


STAMPS = ("acknowledged_at", "escalated_at", "resolved_at")
FIRST = Part()
ONE = Part(1)


async def tenants(
    db: Connection,
    part: Part = FIRST,
    *,
    at: datetime,
    tenant_id: str | None = None,
    state: str | None = None,
) -> list[dict[str, Any]]:
    """Tenants with their services, each in its state at an instant."""
    found = sql.tenants(db, id=tenant_id, state=state, limit=part.limit, offset=part.offset)
    return [
        {**row, "services": [_service(service, at) for service in row["services"]]}
        for row in await collect(found)
    ]


def _service(row: dict[str, Any], at: datetime) -> dict[str, Any]:
    facts = [
        (ServiceStage(fact["state"]), datetime.fromisoformat(fact["effective_at"]))
        for fact in row["states"]
    ]
    return {**row, "state": service_stage(ServiceStage(row["state"]), facts, at)}


async def orders(
    db: Connection,
    part: Part = FIRST,
    *,
    tenant_id: str | None = None,
    states: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Orders, newest first."""
    found = sql.orders(db, tenant_id=tenant_id, states=states, limit=part.limit, offset=part.offset)
    return [dict(row) for row in await collect(found)]


async def resellers(db: Connection, part: Part = FIRST) -> list[dict[str, Any]]:
    """Resellers, with how many tenants they serve in all."""
    found = await collect(sql.resellers(db, limit=part.limit, offset=part.offset))
    return [
        {
            **row["profile"],
            "assigned": row["assigned"],
            "serving": row["profile"]["active"] + row["assigned"],
        }
        for row in found
    ]


async def invoices(
    db: Connection,
    part: Part = FIRST,
    *,
    tenant_id: str | None = None,
    invoice_id: str | None = None,
) -> list[dict[str, Any]]:
    """Invoices with their lines and totals, newest first."""
    found = await collect(
        sql.invoices(db, tenant_id=tenant_id, id=invoice_id, limit=part.limit, offset=part.offset)
    )
    return [
        {
            **{k: v for k, v in row.items() if k != "document"},
            **row["document"],
            "date": row["date"],
            "open": None if row["open"] is None else plain(row["open"]),
        }
        for row in found
    ]


async def parked_invoices(db: Connection, part: Part = FIRST) -> list[dict[str, Any]]:
    """Invoice runs that fail, the oldest first."""
    return [
        dict(row)
        for row in await collect(sql.parked_invoices(db, limit=part.limit, offset=part.offset))
    ]


async def settlements(db: Connection, part: Part = FIRST) -> list[dict[str, Any]]:
    """Statements of resellers with their lines, the newest quarter first."""
    return [
        {**row["document"], "name": row["name"], "issued_at": row["issued_at"]}
        for row in await collect(sql.settlements(db, limit=part.limit, offset=part.offset))
    ]


async def caps(db: Connection, tenant_id: str, part: Part = FIRST) -> list[dict[str, Any]]:
    """A tenant's spending caps, with the shares reported: those on its whole month, then those on meters of a service."""
    found = await collect(sql.caps(db, tenant_id=tenant_id, limit=part.limit, offset=part.offset))
    return [dict(row) for row in found]


async def alerts(
    db: Connection, part: Part = FIRST, *, tenant_id: str | None = None, waiting: bool = False
) -> list[dict[str, Any]]:
    """Alerts with their state, newest first."""
    found = await collect(
        sql.alerts(db, tenant_id=tenant_id, waiting=waiting, limit=part.limit, offset=part.offset)
    )
    return [
        {
            **row["document"],
            **{k: v for k, v in row.items() if k != "document"},
            "state": alert_state(
                acknowledged_at=row["acknowledged_at"],
                escalated_at=row["escalated_at"],
                resolved_at=row["resolved_at"],
            ),
        }
        for row in found
    ]


async def deliveries(db: Connection, part: Part = FIRST) -> list[dict[str, Any]]:
    """Notifications, newest first."""
    return [
        dict(row) for row in await collect(sql.deliveries(db, limit=part.limit, offset=part.offset))
    ]


async def figures(db: Connection) -> dict[str, Any]:
    """What there is in all."""
    return dict(await sql.figures(db, order_states=WAITING))


async def invoiced(db: Connection, limit: int) -> list[tuple[str, Decimal]]:
    """Whom most was invoiced to, and how much of it, net."""
    return [(row["label"], row["value"]) for row in await collect(sql.invoiced(db, limit=limit))]
