"""The operator's pages: what each one shows."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse

from schemas.alerts import AlertState
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.console import metrics, rendering, store
from services.console.domain.stages import DeliveryOutcome, OrderStage
from services.console.lists import OFFSET_MAX, Offset

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


PAGE = 100
WAITING_SHOWN = 50
PLOTTED = 30
MONTHS_SHOWN = 12
RESELLERS_OFFERED = 1_000
SECTIONS = {
    "tenant": "tenants", "order": "orders", "alert": "alerts", "delivery": "deliveries", "reseller": "resellers",
    "invoice": "invoices",
}  # fmt: skip
"""Which list a page of one thing belongs to."""

STATES = {
    "tenants": ("waiting", "onboarding", "active"),
    "orders": tuple(OrderStage),
    "alerts": tuple(AlertState),
    "deliveries": tuple(DeliveryOutcome),
    "invoices": ("open", "overdue", "paid", "overpaid", "credit"),
}
SORTS = {
    "tenants": ("name", "state", "reseller", "town"),
    "orders": ("oldest",),
    "alerts": ("due",),
    "invoices": ("largest",),
}
Word = Annotated[str | None, Query(max_length=100, description="Only those that are named so.")]
State = Annotated[str | None, Query(max_length=20, description="Only those in this state.")]
Sort = Annotated[str | None, Query(max_length=20, description="In this order.")]


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
            page=name, section=SECTIONS.get(name, name), now=self.now(), new_id=uuid4, **found
        )
        return HTMLResponse(html, status, headers=HEADERS)


def _only(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """The one that was asked for. Raises `_Missing`."""
    if not rows:
        raise _Missing(what)
    return rows[0]


async def _overview(db: Connection, at: datetime) -> dict[str, Any]:
    waiting = await store.waiting(db, at, WAITING_SHOWN + 1)
    return {
        "figures": await store.figures(db), "shown": WAITING_SHOWN, "waiting": waiting[:WAITING_SHOWN],
        "has_more": len(waiting) > WAITING_SHOWN, "months": await store.months(db, MONTHS_SHOWN),
        "plot": rendering.bars(await store.invoiced(db, PLOTTED)),
        "resellers": await store.resellers(db, store.ONE),
    }  # fmt: skip


async def _one_tenant(db: Connection, tenant_id: str, at: datetime) -> dict[str, Any]:
    found = _only(await store.tenants(db, store.ONE, at=at, tenant_id=tenant_id), "tenant")
    return {
        "tenant": found, "orders": await store.orders(db, tenant_id=tenant_id),
        "invoices": await store.invoices(db, tenant_id=tenant_id), "alerts": await store.alerts(db, tenant_id=tenant_id),
        "caps": await store.caps(db, tenant_id), "acts": await store.acts(db, about=tenant_id),
        "offered": await _offered(db, found) if found["state"] == "waiting" else [],
    }  # fmt: skip


async def _offered(db: Connection, tenant: dict[str, Any]) -> list[dict[str, Any]]:
    """The resellers that may be chosen: those that were ranked, the nearest first, then all others."""
    km = {row["reseller_id"]: Decimal(row["distance_km"]) for row in tenant["ranking"]}
    found = await store.resellers(db, store.Part(RESELLERS_OFFERED))
    rows = [{**row, "distance_km": km.get(row["reseller_id"])} for row in found]
    return sorted(rows, key=lambda row: (row["distance_km"] is None, row["distance_km"] or 0))


async def _one_order(db: Connection, order_id: str, _: datetime) -> dict[str, Any]:
    found = _only(await store.orders(db, store.ONE, order_id=order_id), "order")
    return {"order": found, "acts": await store.acts(db, about=order_id)}


async def _one_alert(db: Connection, alert_id: str, _: datetime) -> dict[str, Any]:
    found = _only(await store.alerts(db, store.ONE, alert_id=alert_id), "alert")
    return {
        "alert": found, "deliveries": await store.deliveries(db, alert_id=alert_id),
        "acts": await store.acts(db, about=alert_id),
    }  # fmt: skip


async def _one_delivery(db: Connection, notification_id: str, _: datetime) -> dict[str, Any]:
    found = _only(
        await store.deliveries(db, store.ONE, notification_id=notification_id), "notification"
    )
    return {"delivery": found, "acts": await store.acts(db, about=notification_id)}


async def _one_reseller(db: Connection, reseller_id: str, at: datetime) -> dict[str, Any]:
    found = _only(await store.resellers(db, store.ONE, reseller_id=reseller_id), "reseller")
    return {
        "reseller": found, "tenants": await store.tenants(db, at=at, reseller_id=reseller_id),
        "deliveries": await store.deliveries(db, recipient=reseller_id),
    }  # fmt: skip


async def _one_invoice(db: Connection, invoice_id: str, _: datetime) -> dict[str, Any]:
    found = _only(await store.invoices(db, store.ONE, invoice_id=invoice_id), "invoice")
    return {"invoice": found}


Searched = Callable[[Connection, store.Part, store.Found], Awaitable[list[dict[str, Any]]]]


async def _part(
    db: Connection, name: str, query: Searched, offset: int, found: store.Found
) -> dict[str, Any]:
    """A part of a list, what was looked for, and where the parts before and after it begin."""
    rows = await query(db, store.Part(PAGE + 1, offset), found)
    return {
        name: rows[:PAGE], "found": found, "states": STATES.get(name, ()), "sorts": SORTS.get(name, ()),
        "before": max(0, offset - PAGE) if offset else None,
        "after": offset + PAGE if len(rows) > PAGE and offset + PAGE <= OFFSET_MAX else None,
    }  # fmt: skip


def _looked_for(name: str, q: str | None, state: str | None, sort: str | None) -> store.Found:
    """What a form of a list asks for; its empty fields ask for nothing. Raises `_Missing` for what there is not."""
    if (state and state not in STATES.get(name, ())) or (sort and sort not in SORTS.get(name, ())):
        raise _Missing("list")
    return store.Found((q or "").strip() or None, state or None, sort or None)


def add_pages(app: FastAPI, show: Pages) -> None:
    """The pages that show a list, or one thing."""

    @app.get("/", response_class=HTMLResponse)
    async def overview() -> Response:
        """Who waits for what, at a glance."""
        return await show.show("overview", lambda db: _overview(db, show.now()))

    async def tenants(db: Connection, part: store.Part, found: store.Found) -> list[dict[str, Any]]:
        return await store.tenants(db, part, found, at=show.now())

    _add_lists(app, show, tenants)
    _add_things(app, show)


def _add_lists(app: FastAPI, show: Pages, tenants: Searched) -> None:
    def offer(name: str, query: Searched, about: str) -> None:
        async def listed(
            offset: Offset = 0, q: Word = None, state: State = None, sort: Sort = None
        ) -> Response:
            async def part(db: Connection) -> dict[str, Any]:
                found = await _part(db, name, query, offset, _looked_for(name, q, state, sort))
                if name == "invoices" and not offset:
                    found["parked"] = await store.parked_invoices(db, store.Part(WAITING_SHOWN))
                return found

            return await show.show(name, part)

        app.get(f"/{name}", response_class=HTMLResponse, name=f"page of {name}", description=about)(
            listed
        )

    async def settlements(db: Connection, part: store.Part, _: store.Found) -> list[dict[str, Any]]:
        return await store.settlements(db, part)

    async def acts(db: Connection, part: store.Part, _: store.Found) -> list[dict[str, Any]]:
        return await store.acts(db, part)

    offer("tenants", tenants, "Tenants.")
    offer("orders", store.orders, "Orders, newest first.")
    offer("resellers", store.resellers, "Load against capacity.")
    offer(
        "invoices",
        store.invoices,
        "Documents, newest first; before them, who has none yet because a run fails.",
    )
    offer("settlements", settlements, "What resellers are paid, quarter by quarter.")
    offer("alerts", store.alerts, "Alerts, newest first.")
    offer("deliveries", store.deliveries, "Who was notified of what, newest first.")
    offer("acts", acts, "What operators did here, newest first.")  # fmt: skip


def _add_things(app: FastAPI, show: Pages) -> None:
    def offer(
        section: str, name: str, query: Callable[[Connection, str, datetime], Awaitable[dict[str, Any]]], about: str
    ) -> None:  # fmt: skip
        async def shown(thing_id: str) -> Response:
            return await show.show(name, lambda db: query(db, thing_id, show.now()))

        app.get(
            f"/{section}/{{thing_id}}", response_class=HTMLResponse, name=f"page of one {name}", description=about,
        )(shown)  # fmt: skip

    offer("tenants", "tenant", _one_tenant, "One tenant, whole.")
    offer("orders", "order", _one_order, "How far an order has come, and what it waits for.")
    offer("invoices", "invoice", _one_invoice, "An invoice as the SME reads it.")
    offer(
        "alerts",
        "alert",
        _one_alert,
        "What happened to an alert, who was notified, and what can be done.",
    )
    offer("deliveries", "delivery", _one_delivery, "A notification, and what became of it.")
    offer("resellers", "reseller", _one_reseller, "Whom it serves, and what it was notified of.")  # fmt: skip
