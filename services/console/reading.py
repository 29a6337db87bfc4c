"""What a reseller reads: rows of the read model as `schemas/views.py` shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from schemas.alerts import AlertOpened
from schemas.billing import InvoiceIssued, SettlementIssued
from schemas.scalars import Value
from schemas.tenants import TenantRegistered
from schemas.views import (
    AlertView,
    InvoiceView,
    OrderView,
    ServiceView,
    StatementView,
    TenantView,
    WholeInvoiceView,
)
from services.chassis.database import Connection
from services.chassis.paging import At, place_of
from services.chassis.store import collect
from services.console.domain.stages import ServiceStage, service_stage
from services.console.store import sql

View = TypeVar("View", bound=Value)
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListAsked:
    """Which part of a list: of whose tenants, from which place on, and at most how many."""

    reseller_id: str | None
    cursor: str | None
    limit: int
    tenant_id: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Views, and the place of each in its list."""

    views: list[Value]
    places: list[Place]


async def tenants(db: Connection, asked: ListAsked, at: datetime) -> Read:
    """Tenants by their names, with services as they are at an instant."""
    external_id, after_id = place_of(asked.cursor, tuple[str, str]) or (None, None)
    rows = await collect(sql.read_tenants(
        db, reseller_id=asked.reseller_id, id=asked.tenant_id, state=asked.state, external_id=external_id,
        after_id=after_id, limit=asked.limit,
    ))  # fmt: skip
    return _read(rows, lambda row: _tenant(row, at), "external_id", "tenant_id")


def _tenant(row: Any, at: datetime) -> TenantView:
    known = TenantRegistered.model_validate(row["details"]).model_dump()
    order = row["newest_order"]
    names = {"external_id": row["external_id"], "name": row["name"]}
    return TenantView.model_validate(
        known | {name: value for name, value in row.items() if name not in ("details", "services")}
        | {"services": tuple(_service(service, at) for service in row["services"]),
           "newest_order": order and OrderView.model_validate(order | names)}
    )  # fmt: skip


def _service(row: dict[str, Any], at: datetime) -> ServiceView:
    facts = [
        (ServiceStage(fact["state"]), datetime.fromisoformat(fact["effective_at"]))
        for fact in row["states"]
    ]
    return ServiceView.model_validate(
        row | {"state": service_stage(ServiceStage(row["state"]), facts, at)}
    )


async def orders(db: Connection, asked: ListAsked) -> Read:
    """Orders, newest first."""
    accepted_at, after_id = place_of(asked.cursor, tuple[At, str]) or (None, None)
    rows = await collect(sql.read_orders(
        db, reseller_id=asked.reseller_id, tenant_id=asked.tenant_id, state=asked.state, accepted_at=accepted_at,
        after_id=after_id, limit=asked.limit,
    ))  # fmt: skip
    return _read(rows, OrderView.model_validate, "place", "order_id")


async def order(db: Connection, order_id: str) -> tuple[OrderView, str | None] | None:
    """An order, and the reseller of its tenant."""
    row = await sql.read_order(db, id=order_id)
    return None if row is None else (OrderView.model_validate(dict(row)), row["reseller_id"])


async def alerts(db: Connection, asked: ListAsked, alert_id: str | None = None) -> Read:
    """Alerts, newest first, or one."""
    opened_at, after_id = place_of(asked.cursor, tuple[str, str]) or (None, None)
    rows = await collect(sql.read_alerts(
        db, reseller_id=asked.reseller_id, tenant_id=asked.tenant_id, id=alert_id, state=asked.state,
        opened_at=opened_at, after_id=after_id, limit=asked.limit,
    ))  # fmt: skip
    return _read(rows, _alert, "place", "alert_id")


def _alert(row: dict[str, Any]) -> AlertView:
    known = AlertOpened.model_validate(row["document"]).model_dump()
    return AlertView.model_validate(known | row)


async def invoices(
    db: Connection, asked: ListAsked, invoice_id: str | None = None, *, whole: bool = False
) -> Read:
    """Documents, newest first, or one; `whole` with their lines."""
    place = place_of(asked.cursor, tuple[date, str, str]) or (None, None, None)
    rows = await collect(sql.read_invoices(
        db, reseller_id=asked.reseller_id, tenant_id=asked.tenant_id, id=invoice_id, state=asked.state,
        issued_on=place[0], number=place[1], after_id=place[2], limit=asked.limit,
    ))  # fmt: skip
    kind = WholeInvoiceView if whole else InvoiceView
    return _read(rows, lambda row: _invoice(row, kind), "issued_on", "number", "invoice_id")


def _invoice(row: dict[str, Any], kind: type[InvoiceView]) -> InvoiceView:
    known = InvoiceIssued.model_validate(row["document"]).model_dump()
    return kind.model_validate(known | row)


async def statements(db: Connection, asked: ListAsked) -> Read:
    """Statements, the newest quarter first."""
    place = place_of(asked.cursor, tuple[str, str, str]) or (None, None, None)
    rows = await collect(sql.read_statements(
        db, reseller_id=asked.reseller_id, quarter=place[0], after_reseller_id=place[1], currency=place[2],
        limit=asked.limit,
    ))  # fmt: skip
    return _read(rows, _statement, "quarter", "reseller_id", "currency")


def _statement(row: dict[str, Any]) -> StatementView:
    known = SettlementIssued.model_validate(row["document"]).model_dump()
    return StatementView.model_validate(known | {"issued_at": row["issued_at"]})


def _read(rows: list[Any], view: Callable[[dict[str, Any]], Value], *place: str) -> Read:
    found = [dict(row) for row in rows]
    return Read([view(row) for row in found], [tuple(row[name] for name in place) for row in found])
