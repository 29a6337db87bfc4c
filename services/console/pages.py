"""The operator's pages: what each one shows."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.console import metrics, rendering, store
from services.console.domain.stages import WAITING
from services.console.lists import OFFSET_MAX, Listing, Offset

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


PAGE = 100
WAITING_SHOWN = 50
PLOTTED = 30


class _Missing(Exception):
    """What the address names is not known here."""


class Pages:
    """Renders a page for who may see it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._templates = rendering.environment()

    async def show(
        self, name: str, query: Callable[[Connection], Awaitable[dict[str, Any]]]
    ) -> Response:
        """A page of the read model."""
        try:
            async with self._runtime.pool.acquire() as db:
                found = await query(db)
        except _Missing as missing:
            return self.missing(str(missing))
        metrics.PAGES.labels(name).inc()
        return self.plain(name, **found)

    def missing(self, what: str) -> Response:
        """For a person who followed an old link, or mistyped."""
        return self.plain("missing", 404, what=what)

    def now(self) -> datetime:
        """The instant that pages speak of."""
        return self._runtime.clock.now()

    def plain(self, name: str, status: int = 200, **found: Any) -> Response:
        """A page that needs no question."""
        html = self._templates.get_template(f"{name}.html").render(
            page=name, now=self.now(), **found
        )
        return HTMLResponse(html, status, headers=HEADERS)


async def _overview(db: Connection, at: datetime) -> dict[str, Any]:
    some = store.Part(WAITING_SHOWN)
    return {
        "figures": await store.figures(db), "shown": WAITING_SHOWN, "plot": rendering.bars(await store.invoiced(db, PLOTTED)),
        "waiting": {
            "tenants": await store.tenants(db, some, at=at, state="waiting"),
            "alerts": await store.alerts(db, some, waiting=True),
            "orders": await store.orders(db, some, states=WAITING),
        },
    }  # fmt: skip


async def _one_tenant(db: Connection, tenant_id: str, at: datetime) -> dict[str, Any]:
    found = await store.tenants(db, store.ONE, at=at, tenant_id=tenant_id)
    if not found:
        raise _Missing("tenant")
    return {
        "tenant": found[0], "orders": await store.orders(db, tenant_id=tenant_id),
        "invoices": await store.invoices(db, tenant_id=tenant_id), "alerts": await store.alerts(db, tenant_id=tenant_id),
        "caps": await store.caps(db, tenant_id),
    }  # fmt: skip


async def _one_invoice(db: Connection, invoice_id: str) -> dict[str, Any]:
    found = await store.invoices(db, store.ONE, invoice_id=invoice_id)
    if not found:
        raise _Missing("invoice")
    return {"invoice": found[0]}


async def _part(db: Connection, name: str, query: Listing, offset: int) -> dict[str, Any]:
    """A part of a list, and where those before and after it begin."""
    found = await query(db, store.Part(PAGE + 1, offset))
    return {
        name: found[:PAGE],
        "before": max(0, offset - PAGE) if offset else None,
        "after": offset + PAGE if len(found) > PAGE and offset + PAGE <= OFFSET_MAX else None,
    }


async def _invoices(db: Connection, offset: int) -> dict[str, Any]:
    parked = [] if offset else await store.parked_invoices(db, store.Part(WAITING_SHOWN))
    return {**await _part(db, "invoices", store.invoices, offset), "parked": parked}


def add_pages(app: FastAPI, show: Pages) -> None:
    """The pages that show a list, or one thing."""

    @app.get("/", response_class=HTMLResponse)
    async def overview() -> Response:
        """Who waits for what, at a glance."""
        return await show.show("overview", lambda db: _overview(db, show.now()))

    def offer(name: str, query: Listing, about: str) -> None:
        async def listed(offset: Offset = 0) -> Response:
            return await show.show(name, lambda db: _part(db, name, query, offset))

        app.get(f"/{name}", response_class=HTMLResponse, name=f"page of {name}", description=about)(
            listed
        )

    async def tenants(db: Connection, part: store.Part) -> list[dict[str, Any]]:
        return await store.tenants(db, part, at=show.now())

    offer("tenants", tenants, "All tenants.")
    offer("resellers", store.resellers, "Load against capacity.")
    offer("settlements", store.settlements, "What resellers are paid, quarter by quarter.")

    @app.get("/invoices", response_class=HTMLResponse)
    async def invoices(offset: Offset = 0) -> Response:
        """All invoices, newest first; before them, who has none yet because a run fails."""
        return await show.show("invoices", lambda db: _invoices(db, offset))

    @app.get("/tenants/{tenant_id}", response_class=HTMLResponse)
    async def tenant(tenant_id: str) -> Response:
        """One tenant, whole."""
        return await show.show("tenant", lambda db: _one_tenant(db, tenant_id, show.now()))

    @app.get("/invoices/{invoice_id}", response_class=HTMLResponse)
    async def invoice(invoice_id: str) -> Response:
        """An invoice as the SME reads it."""
        return await show.show("invoice", lambda db: _one_invoice(db, invoice_id))

    @app.get("/alerts", response_class=HTMLResponse)
    async def alerts(offset: Offset = 0) -> Response:
        """Alerts, newest first, and who was notified last."""

        async def query(db: Connection) -> dict[str, Any]:
            return {
                **await _part(db, "alerts", store.alerts, offset),
                "deliveries": await store.deliveries(db),
            }

        return await show.show("alerts", query)
