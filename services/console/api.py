"""The query API, and the pages over it. Both want the operator's token; the pages take it once, for a session."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, Response
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


class _Missing(Exception):
    """What the address names is not known here."""


def _queries(app: FastAPI, runtime: Runtime) -> None:
    """The query API: the read model as JSON."""

    async def ask(name: str, query: Callable[[Connection], Awaitable[Any]]) -> Any:
        metrics.PAGES.labels(f"api/{name}").inc()
        async with runtime.pool.acquire() as db:
            return await query(db)

    @app.get("/api/v1/tenants")
    async def tenants() -> Any:
        """All tenants, with services and the ranking of resellers."""
        return await ask("tenants", store.tenants)

    @app.get("/api/v1/tenants/{tenant_id}")
    async def tenant(tenant_id: str) -> Any:
        """One tenant."""
        found = await ask("tenant", lambda db: store.tenants(db, tenant_id))
        if not found:
            raise Problem(404, "Not Found", "no such tenant")
        return found[0]

    @app.get("/api/v1/orders")
    async def orders() -> Any:
        """All orders."""
        return await ask("orders", store.orders)

    @app.get("/api/v1/resellers")
    async def resellers() -> Any:
        """All resellers."""
        return await ask("resellers", store.resellers)

    @app.get("/api/v1/invoices")
    async def invoices(tenant_id: str | None = None) -> Any:
        """Invoices, of all or of one tenant."""
        return await ask("invoices", lambda db: store.invoices(db, tenant_id))

    @app.get("/api/v1/alerts")
    async def alerts() -> Any:
        """All alerts."""
        return await ask("alerts", store.alerts)

    @app.get("/api/v1/deliveries")
    async def deliveries() -> Any:
        """The newest notifications."""
        return await ask("deliveries", store.deliveries)


class Pages:
    """Renders a page for who may see it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._templates = pages.environment()

    async def show(self, name: str, query: Callable[[Connection], Awaitable[dict[str, Any]]]) -> Response:
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
        html = self._templates.get_template(f"{name}.html").render(page=name, now=self._runtime.clock.now(), **found)
        return HTMLResponse(html, status, headers=HEADERS)


async def _everything(db: Connection) -> dict[str, Any]:
    tenants, orders = await store.tenants(db), await store.orders(db)
    invoices, alerts = await store.invoices(db), await store.alerts(db)
    return {
        "figures": pages.overview(tenants, orders, invoices, alerts), "waiting": pages.waiting(tenants, orders, alerts),
        "tenants": tenants, "resellers": await store.resellers(db),
    }  # fmt: skip


async def _one_tenant(db: Connection, tenant_id: str) -> dict[str, Any]:
    found = await store.tenants(db, tenant_id)
    if not found:
        raise _Missing("tenant")
    return {
        "tenant": found[0], "orders": await store.orders(db, tenant_id), "invoices": await store.invoices(db, tenant_id),
        "alerts": await store.alerts(db, tenant_id),
    }  # fmt: skip


async def _one_invoice(db: Connection, invoice_id: str) -> dict[str, Any]:
    found = await store.invoices(db, None, invoice_id)
    if not found:
        raise _Missing("invoice")
    return {"invoice": found[0]}


def _lists(app: FastAPI, show: Pages) -> None:
    """The pages that show a list, or one thing."""

    @app.get("/", response_class=HTMLResponse)
    async def overview() -> Response:
        """Who waits for what, at a glance."""
        return await show.show("overview", _everything)

    @app.get("/tenants", response_class=HTMLResponse)
    async def tenants() -> Response:
        """All tenants."""
        return await show.show("tenants", _everything)

    @app.get("/tenants/{tenant_id}", response_class=HTMLResponse)
    async def tenant(tenant_id: str) -> Response:
        """One tenant, whole."""
        return await show.show("tenant", lambda db: _one_tenant(db, tenant_id))

    @app.get("/resellers", response_class=HTMLResponse)
    async def resellers() -> Response:
        """Load against capacity."""
        return await show.show("resellers", _everything)

    @app.get("/invoices", response_class=HTMLResponse)
    async def invoices() -> Response:
        """All invoices."""

        async def query(db: Connection) -> dict[str, Any]:
            return {"invoices": await store.invoices(db)}

        return await show.show("invoices", query)

    @app.get("/invoices/{invoice_id}", response_class=HTMLResponse)
    async def invoice(invoice_id: str) -> Response:
        """An invoice as the SME reads it."""
        return await show.show("invoice", lambda db: _one_invoice(db, invoice_id))

    @app.get("/alerts", response_class=HTMLResponse)
    async def alerts() -> Response:
        """All alerts, and who was told."""

        async def query(db: Connection) -> dict[str, Any]:
            return {"alerts": await store.alerts(db), "deliveries": await store.deliveries(db)}

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
            wrong = "That is not the operator's token." if problem.status == UNAUTHORIZED else TOO_MANY_TRIES
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
