"""The console's statements (`queries.sql`), and its read model as plain dictionaries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.scalars import plain
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect
from services.console.domain.stages import WAITING, ServiceStage, service_stage

sql = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list: no list is ever read whole."""

    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What of a list is looked for: words in what names it, a state, and the order that it is shown in."""

    q: str | None = None
    state: str | None = None
    sort: str | None = None


FAILED_LATELY = timedelta(days=7)
"""So long the first page shows orders and notifications that failed; the lists show all."""

FIRST = Part()
ONE = Part(1)
ANY = Found()


async def tenants(
    db: Connection,
    part: Part = FIRST,
    found: Found = ANY,
    *,
    at: datetime,
    tenant_id: str | None = None,
    reseller_id: str | None = None,
) -> list[dict[str, Any]]:
    """Tenants with their services, each in its state at an instant."""
    rows = sql.tenants(
        db, id=tenant_id, state=found.state, reseller_id=reseller_id, q=found.q, sort=found.sort, limit=part.limit,
        offset=part.offset,
    )  # fmt: skip
    return [
        {**row, "services": [_service(service, at) for service in row["services"]]}
        for row in await collect(rows)
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
    found: Found = ANY,
    *,
    tenant_id: str | None = None,
    order_id: str | None = None,
) -> list[dict[str, Any]]:
    """Orders, newest first."""
    rows = sql.orders(
        db, id=order_id, tenant_id=tenant_id, state=found.state, q=found.q, sort=found.sort,
        limit=part.limit, offset=part.offset,
    )  # fmt: skip
    return [dict(row) for row in await collect(rows)]


async def resellers(
    db: Connection, part: Part = FIRST, found: Found = ANY, *, reseller_id: str | None = None
) -> list[dict[str, Any]]:
    """Resellers, with how many tenants they serve in all."""
    rows = sql.resellers(db, id=reseller_id, q=found.q, limit=part.limit, offset=part.offset)
    return [
        {
            **row["profile"],
            "assigned": row["assigned"],
            "serving": row["profile"]["active"] + row["assigned"],
        }
        for row in await collect(rows)
    ]


async def invoices(
    db: Connection,
    part: Part = FIRST,
    found: Found = ANY,
    *,
    tenant_id: str | None = None,
    invoice_id: str | None = None,
) -> list[dict[str, Any]]:
    """Invoices with their lines and totals, newest first."""
    rows = sql.invoices(
        db, tenant_id=tenant_id, id=invoice_id, state=found.state, q=found.q, sort=found.sort, limit=part.limit,
        offset=part.offset,
    )  # fmt: skip
    return [
        {
            **{k: v for k, v in row.items() if k != "document"},
            **row["document"],
            "date": row["date"],
            "open": None if row["open"] is None else plain(row["open"]),
        }
        for row in await collect(rows)
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
    db: Connection,
    part: Part = FIRST,
    found: Found = ANY,
    *,
    tenant_id: str | None = None,
    alert_id: str | None = None,
) -> list[dict[str, Any]]:
    """Alerts with their state, newest first."""
    rows = sql.alerts(
        db, id=alert_id, tenant_id=tenant_id, state=found.state, q=found.q, sort=found.sort, limit=part.limit,
        offset=part.offset,
    )  # fmt: skip
    return [
        {**row["document"], **{k: v for k, v in row.items() if k != "document"}}
        for row in await collect(rows)
    ]


async def deliveries(
    db: Connection,
    part: Part = FIRST,
    found: Found = ANY,
    *,
    notification_id: str | None = None,
    alert_id: str | None = None,
    recipient: str | None = None,
) -> list[dict[str, Any]]:
    """Notifications, newest first."""
    rows = sql.deliveries(
        db, id=notification_id, alert_id=alert_id, recipient=recipient, state=found.state, q=found.q, limit=part.limit,
        offset=part.offset,
    )  # fmt: skip
    return [dict(row) for row in await collect(rows)]


async def waiting(db: Connection, at: datetime, limit: int) -> list[dict[str, Any]]:
    """What waits for a person at an instant, the latest first; of what failed, what did so lately."""
    rows = sql.waiting(db, order_states=WAITING, failed_since=at - FAILED_LATELY, limit=limit)
    return [dict(row) for row in await collect(rows)]


async def months(db: Connection, limit: int) -> list[dict[str, Any]]:
    """How business goes, the newest month first."""
    return [dict(row) for row in await collect(sql.months(db, limit=limit))]


async def acts(
    db: Connection, part: Part = FIRST, *, about: str | None = None
) -> list[dict[str, Any]]:
    """What operators did, newest first: everything, or to one thing, a tenant with its services."""
    rows = sql.acts(db, object=about, limit=part.limit, offset=part.offset)
    return [dict(row) for row in await collect(rows)]


async def figures(db: Connection) -> dict[str, Any]:
    """What there is in all."""
    return dict(await sql.figures(db, order_states=WAITING))


async def invoiced(db: Connection, limit: int) -> list[tuple[str, Decimal]]:
    """Whom most was invoiced to, and how much of it, net."""
    return [(row["label"], row["value"]) for row in await collect(sql.invoiced(db, limit=limit))]
