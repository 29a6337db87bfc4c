"""The query API, and the pages over it. Both want the operator's token; the pages take it once, for a session."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, cast

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.web import Problem, application
from services.console import metrics, pages, store
from services.console.sessions import Guard, LoginNeeded

PUBLIC = ("/login",)
UNAUTHORIZED = 401
TOO_MANY_TRIES = "Too many wrong tokens came from here. Wait a minute, then try again."
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


LIMIT_MAX = 1_000
"""Of what one answer of the query API lists, and of what it lists unasked."""

OFFSET_MAX = 100_000
PAGE = 100
WAITING_SHOWN = 50
WAITING_ORDERS = ("held", "delayed", "acknowledged", "failed")
PLOTTED = 30

Listing = Callable[[Connection, store.Part], Awaitable[list[dict[str, Any]]]]


class _Missing(Exception):
    """What the address names is not known here."""


Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX, description="From here on, counted from 0.")]


def _queries(app: FastAPI, runtime: Runtime) -> None:
    """The query API: the read model as JSON. Each list is given in parts; `Link` names the next one."""

    async def ask(name: str, query: Callable[[Connection], Awaitable[Any]]) -> Any:
        metrics.PAGES.labels(f"api/{name}").inc()
        async with runtime.pool.acquire() as db:
            return await query(db)

    async def part(
        request: Request, answer: Response, limit: int, offset: int, query: Listing
    ) -> list[dict[str, Any]]:
        found = await ask(
            request.url.path.rpartition("/")[2], lambda db: query(db, store.Part(limit + 1, offset))
        )
        if len(found) > limit and offset + limit <= OFFSET_MAX:
            after = request.url.include_query_params(limit=limit, offset=offset + limit)
            answer.headers["Link"] = f'<{after.path}?{after.query}>; rel="next"'
        return cast(list[dict[str, Any]], found[:limit])

    def offer(name: str, query: Listing, about: str) -> None:
        async def listed(
            request: Request, answer: Response, limit: Limit = LIMIT_MAX, offset: Offset = 0
        ) -> list[dict[str, Any]]:
            return await part(request, answer, limit, offset, query)

        app.get(f"/api/v1/{name}", name=name, description=about)(listed)

    offer("tenants", store.tenants, "All tenants, with services and the ranking of resellers.")
    offer("orders", store.orders, "All orders, newest first.")
    offer("resellers", store.resellers, "All resellers.")
    offer("alerts", store.alerts, "All alerts, newest first.")
    offer("deliveries", store.deliveries, "Notifications, newest first.")

    @app.get("/api/v1/tenants/{tenant_id}")
    async def tenant(tenant_id: str) -> Any:
        """One tenant."""
        found = await ask("tenant", lambda db: store.tenants(db, store.ONE, tenant_id=tenant_id))
        if not found:
            raise Problem(404, "Not Found", "no such tenant")
        return found[0]

    @app.get("/api/v1/invoices")
    async def invoices(
        request: Request,
        answer: Response,
        tenant_id: str | None = None,
        limit: Limit = LIMIT_MAX,
        offset: Offset = 0,
    ) -> list[dict[str, Any]]:
        """Invoices, newest first: of all or of one tenant."""
        return await part(
            request, answer, limit, offset, partial(store.invoices, tenant_id=tenant_id)
        )


class Pages:
    """Renders a page for who may see it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._templates = pages.environment()

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

    def plain(self, name: str, status: int = 200, **found: Any) -> Response:
        """A page that needs no question."""
        html = self._templates.get_template(f"{name}.html").render(
            page=name, now=self._runtime.clock.now(), **found
        )
        return HTMLResponse(html, status, headers=HEADERS)


async def _overview(db: Connection) -> dict[str, Any]:
    some = store.Part(WAITING_SHOWN)
    return {
        "figures": await store.figures(db), "shown": WAITING_SHOWN, "plot": pages.bars(await store.invoiced(db, PLOTTED)),
        "waiting": {
            "tenants": await store.tenants(db, some, state="waiting"),
            "alerts": await store.alerts(db, some, waiting=True),
            "orders": await store.orders(db, some, states=WAITING_ORDERS),
        },
    }  # fmt: skip


async def _one_tenant(db: Connection, tenant_id: str) -> dict[str, Any]:
    found = await store.tenants(db, store.ONE, tenant_id=tenant_id)
    if not found:
        raise _Missing("tenant")
    return {
        "tenant": found[0], "orders": await store.orders(db, tenant_id=tenant_id),
        "invoices": await store.invoices(db, tenant_id=tenant_id), "alerts": await store.alerts(db, tenant_id=tenant_id),
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


def _lists(app: FastAPI, show: Pages) -> None:
    """The pages that show a list, or one thing."""

    @app.get("/", response_class=HTMLResponse)
    async def overview() -> Response:
        """Who waits for what, at a glance."""
        return await show.show("overview", _overview)

    def offer(name: str, query: Listing, about: str) -> None:
        async def listed(offset: Offset = 0) -> Response:
            return await show.show(name, lambda db: _part(db, name, query, offset))

        app.get(f"/{name}", response_class=HTMLResponse, name=f"page of {name}", description=about)(
            listed
        )

    offer("tenants", store.tenants, "All tenants.")
    offer("resellers", store.resellers, "Load against capacity.")
    offer("invoices", store.invoices, "All invoices, newest first.")

    @app.get("/tenants/{tenant_id}", response_class=HTMLResponse)
    async def tenant(tenant_id: str) -> Response:
        """One tenant, whole."""
        return await show.show("tenant", lambda db: _one_tenant(db, tenant_id))

    @app.get("/invoices/{invoice_id}", response_class=HTMLResponse)
    async def invoice(invoice_id: str) -> Response:
        """An invoice as the SME reads it."""
        return await show.show("invoice", lambda db: _one_invoice(db, invoice_id))

    @app.get("/alerts", response_class=HTMLResponse)
    async def alerts(offset: Offset = 0) -> Response:
        """Alerts, newest first, and who was told last."""

        async def query(db: Connection) -> dict[str, Any]:
            return {
                **await _part(db, "alerts", store.alerts, offset),
                "deliveries": await store.deliveries(db),
            }

        return await show.show("alerts", query)


def build_api(runtime: Runtime) -> FastAPI:
    """The windows."""
    guard = Guard(runtime)
    app = application("Vicino console", guard.admit, public=PUBLIC, version="1.0.0")
    show = Pages(runtime)
    _queries(app, runtime)
    _lists(app, show)
    _sessions(app, show, guard)

    @app.get("/{path:path}", include_in_schema=False)
    async def elsewhere(path: str) -> Response:
        if path.startswith("api/"):
            raise Problem(404, "Not Found", "no such question")
        return show.missing("page")

    return app


def _sessions(app: FastAPI, show: Pages, guard: Guard) -> None:
    """Signing in and out."""

    @app.exception_handler(LoginNeeded)
    async def login_needed(_: Request, __: LoginNeeded) -> Response:
        return RedirectResponse("/login", 303)

    @app.get("/login", response_class=HTMLResponse)
    async def login_page() -> Response:
        """Where the token goes in."""
        return show.plain("login", wrong="")

    @app.post("/login")
    async def login(request: Request, token: Annotated[str, Form()]) -> Response:
        """The token for a session."""
        try:
            guard.check(request, token.strip())
        except Problem as problem:
            wrong = (
                "That is not the operator's token."
                if problem.status == UNAUTHORIZED
                else TOO_MANY_TRIES
            )
            page = show.plain("login", problem.status, wrong=wrong)
            page.headers.update(problem.headers)
            return page
        response = RedirectResponse("/", 303)
        await guard.sign_in(request, response)
        return response

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        """The session ends."""
        response = RedirectResponse("/login", 303)
        await guard.sign_out(request, response)
        return response
