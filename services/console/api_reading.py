"""What the door reads for resellers: the read model as views, of the tenants of one reseller or of all.

The caller is the gateway, which knows who asks; this API trusts it, as it trusts the operator whose token it shows.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Response

from schemas.alerts import AlertState
from schemas.scalars import Key, Uuid, rfc3339
from schemas.views import (
    AlertView,
    InvoiceView,
    OrderView,
    StatementView,
    TenantView,
    WholeInvoiceView,
)
from services.chassis.database import Connection
from services.chassis.engine.freshness import Freshness
from services.chassis.paging import Cursor, cursor_of
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.console import metrics, reading
from services.console.reading import ListAsked, Read

AS_OF, NEXT = "Vicino-As-Of", "Vicino-Next"
"""Headers: up to when everything is shown, and the cursor of the next page."""

ROWS_MAX = 200

Limit = Annotated[int, Query(ge=1, le=ROWS_MAX)]
State = Annotated[str | None, Query(pattern="^[a-z_]{1,20}$")]


def _of_reseller(
    reseller_id: Key | None = None, cursor: Cursor = None, limit: Limit = 100
) -> ListAsked:
    return ListAsked(reseller_id, cursor, limit)


def _of_tenants(
    asked: Annotated[ListAsked, Depends(_of_reseller)], tenant_id: Uuid | None = None
) -> ListAsked:
    return replace(asked, tenant_id=tenant_id)


OfReseller = Annotated[ListAsked, Depends(_of_reseller)]
OfTenants = Annotated[ListAsked, Depends(_of_tenants)]
"""Which part of a list is asked for: of one reseller's tenants or of all; perhaps of one tenant."""


class Reader:
    """Asks the read model, and says how current it is."""

    def __init__(self, runtime: Runtime, freshness: Freshness) -> None:
        self._runtime, self._freshness = runtime, freshness

    async def ask(
        self, name: str, answer: Response, query: Callable[[Connection], Awaitable[Any]]
    ) -> Any:
        """The answer of a query. It says the instant from before it was asked: it may know more, never less."""
        metrics.PAGES.labels(f"reading/{name}").inc()
        if self._freshness.instant is not None:
            answer.headers[AS_OF] = rfc3339(self._freshness.instant)
        async with self._runtime.pool.acquire() as db:
            return await query(db)

    async def page(
        self, name: str, answer: Response, asked: ListAsked, state: str | None,
        query: Callable[[Connection, ListAsked], Awaitable[Read]],
    ) -> Any:  # fmt: skip
        """A page of a list; a header has the cursor of the next one."""
        one_more = replace(asked, state=state, limit=asked.limit + 1)
        found: Read = await self.ask(name, answer, lambda db: query(db, one_more))
        if len(found.views) > asked.limit:
            answer.headers[NEXT] = cursor_of(found.places[asked.limit - 1])
        return found.views[: asked.limit]

    async def one(
        self, name: str, answer: Response, query: Callable[[Connection], Awaitable[Read]]
    ) -> Any:
        """One object. Raises `Problem` 404."""
        found: Read = await self.ask(name, answer, query)
        if not found.views:
            raise Problem(404, "Not Found", f"no such {name}")
        return found.views[0]

    async def tenants(self, db: Connection, asked: ListAsked) -> Read:
        """Tenants, with their services as they are now."""
        return await reading.tenants(db, asked, self._runtime.clock.now())


def add_reading(app: FastAPI, reader: Reader) -> None:
    """The lists and objects that the door shows."""
    _add_tenants(app, reader)
    _add_alerts(app, reader)
    _add_money(app, reader)


def _add_tenants(app: FastAPI, reader: Reader) -> None:
    @app.get("/api/v1/reading/tenants", response_model=list[TenantView])
    async def tenants(answer: Response, asked: OfReseller, state: State = None) -> Any:
        """Tenants by their names."""
        return await reader.page("tenants", answer, asked, state, reader.tenants)

    @app.get("/api/v1/reading/tenants/{tenant_id}", response_model=TenantView)
    async def tenant(tenant_id: Uuid, answer: Response, reseller_id: Key | None = None) -> Any:
        """One tenant."""
        asked = ListAsked(reseller_id, None, 1, tenant_id)
        return await reader.one("tenant", answer, lambda db: reader.tenants(db, asked))

    @app.get("/api/v1/reading/orders", response_model=list[OrderView])
    async def orders(answer: Response, asked: OfTenants, state: State = None) -> Any:
        """Orders, newest first."""
        return await reader.page("orders", answer, asked, state, reading.orders)

    @app.get("/api/v1/reading/orders/{order_id}")
    async def order(order_id: Uuid, answer: Response) -> dict[str, Any]:
        """One order, and the reseller of its tenant: an order is also its sender's, whom the door knows."""
        found = await reader.ask("order", answer, lambda db: reading.order(db, order_id))
        if found is None:
            raise Problem(404, "Not Found", "no such order")
        view, reseller_id = found
        return {"order": view.model_dump(mode="json"), "reseller_id": reseller_id}


def _add_alerts(app: FastAPI, reader: Reader) -> None:
    @app.get("/api/v1/reading/alerts", response_model=list[AlertView])
    async def alerts(answer: Response, asked: OfTenants, state: AlertState | None = None) -> Any:
        """Alerts, newest first."""
        return await reader.page("alerts", answer, asked, state, reading.alerts)

    @app.get("/api/v1/reading/alerts/{alert_id}", response_model=AlertView)
    async def alert(alert_id: Uuid, answer: Response, reseller_id: Key | None = None) -> Any:
        """One alert."""
        asked = ListAsked(reseller_id, None, 1)
        return await reader.one("alert", answer, lambda db: reading.alerts(db, asked, alert_id))


def _add_money(app: FastAPI, reader: Reader) -> None:
    @app.get("/api/v1/reading/invoices", response_model=list[InvoiceView])
    async def invoices(answer: Response, asked: OfTenants, state: State = None) -> Any:
        """Documents without their lines, newest first."""
        return await reader.page("invoices", answer, asked, state, reading.invoices)

    @app.get("/api/v1/reading/invoices/{invoice_id}", response_model=WholeInvoiceView)
    async def invoice(invoice_id: Uuid, answer: Response, reseller_id: Key | None = None) -> Any:
        """One document with its lines."""
        asked = ListAsked(reseller_id, None, 1)
        return await reader.one(
            "invoice", answer, lambda db: reading.invoices(db, asked, invoice_id, whole=True)
        )

    @app.get("/api/v1/reading/statements", response_model=list[StatementView])
    async def statements(answer: Response, asked: OfReseller) -> Any:
        """Statements, the newest quarter first."""
        return await reader.page("statements", answer, asked, None, reading.statements)
