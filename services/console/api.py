"""The query API, and the pages over it. Both want the operator's token; the pages take it once, into a cookie."""

import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.web import Problem, application, bearer
from services.console import metrics, pages, store

COOKIE = "vicino_console"
COOKIE_SECONDS = 12 * 3600
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _LoginNeeded(Exception):
    """The page wants a login first."""


class _Missing(Exception):
    """What the address names is not known here."""


class Guard:
    """Who may look. The cookie holds a digest of the token, not the token."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._digest = hmac.digest(token.encode(), b"vicino console", sha256).hex()

    def knows(self, token: str) -> bool:
        """Whether this is the operator's token."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def api(self, request: Request) -> None:
        """Let the token or the cookie in. Raises `Problem`."""
        if self._has_cookie(request):
            return
        if not self.knows(bearer(request)):
            raise Problem(403, "Forbidden", "this window is the operator's")

    def page(self, request: Request) -> None:
        """Let the cookie in. Raises `_LoginNeeded`."""
        if not self._has_cookie(request):
            raise _LoginNeeded

    def _has_cookie(self, request: Request) -> bool:
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._digest.encode())

    def let_in(self, response: Response) -> None:
        """Give the cookie."""
        response.set_cookie(COOKIE, self._digest, max_age=COOKIE_SECONDS, httponly=True, samesite="strict")


def _queries(app: FastAPI, runtime: Runtime, guard: Guard) -> None:
    """The query API: the read model as JSON."""

    async def ask(request: Request, name: str, query: Callable[[Connection], Awaitable[Any]]) -> Any:
        guard.api(request)
        metrics.PAGES.labels(f"api/{name}").inc()
        async with runtime.pool.acquire() as db:
            return await query(db)

    @app.get("/api/v1/tenants")
    async def tenants(request: Request) -> Any:
        """All tenants, with services and the ranking of resellers."""
        return await ask(request, "tenants", store.tenants)

    @app.get("/api/v1/tenants/{tenant_id}")
    async def tenant(request: Request, tenant_id: str) -> Any:
        """One tenant."""
        found = await ask(request, "tenant", lambda db: store.tenants(db, tenant_id))
        if not found:
            raise Problem(404, "Not Found", "no such tenant")
        return found[0]

    @app.get("/api/v1/orders")
    async def orders(request: Request) -> Any:
        """All orders."""
        return await ask(request, "orders", store.orders)

    @app.get("/api/v1/resellers")
    async def resellers(request: Request) -> Any:
        """All resellers."""
        return await ask(request, "resellers", store.resellers)

    @app.get("/api/v1/invoices")
    async def invoices(request: Request, tenant_id: str | None = None) -> Any:
        """Invoices, of all or of one tenant."""
        return await ask(request, "invoices", lambda db: store.invoices(db, tenant_id))

    @app.get("/api/v1/alerts")
    async def alerts(request: Request) -> Any:
        """All alerts."""
        return await ask(request, "alerts", store.alerts)

    @app.get("/api/v1/deliveries")
    async def deliveries(request: Request) -> Any:
        """The newest notifications."""
        return await ask(request, "deliveries", store.deliveries)


class Pages:
    """Renders a page for who may see it."""

    def __init__(self, runtime: Runtime, guard: Guard) -> None:
        self._runtime, self._guard = runtime, guard
        self._templates = pages.environment()

    async def show(
        self, request: Request, name: str, query: Callable[[Connection], Awaitable[dict[str, Any]]]
    ) -> Response:
        """A page of the read model."""
        self._guard.page(request)
        try:
            async with self._runtime.pool.acquire() as db:
                found = await query(db)
        except _Missing as missing:
            return self.missing(request, str(missing))
        metrics.PAGES.labels(name).inc()
        return self.plain(name, **found)

    def missing(self, request: Request, what: str) -> Response:
        """For a person who followed an old link, or mistyped."""
        self._guard.page(request)
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
    async def overview(request: Request) -> Response:
        """Who waits for what, at a glance."""
        return await show.show(request, "overview", _everything)

    @app.get("/tenants", response_class=HTMLResponse)
    async def tenants(request: Request) -> Response:
        """All tenants."""
        return await show.show(request, "tenants", _everything)

    @app.get("/tenants/{tenant_id}", response_class=HTMLResponse)
    async def tenant(request: Request, tenant_id: str) -> Response:
        """One tenant, whole."""
        return await show.show(request, "tenant", lambda db: _one_tenant(db, tenant_id))

    @app.get("/resellers", response_class=HTMLResponse)
    async def resellers(request: Request) -> Response:
        """Load against capacity."""
        return await show.show(request, "resellers", _everything)

    @app.get("/invoices", response_class=HTMLResponse)
    async def invoices(request: Request) -> Response:
        """All invoices."""

        async def query(db: Connection) -> dict[str, Any]:
            return {"invoices": await store.invoices(db)}

        return await show.show(request, "invoices", query)

    @app.get("/invoices/{invoice_id}", response_class=HTMLResponse)
    async def invoice(request: Request, invoice_id: str) -> Response:
        """An invoice as the SME reads it."""
        return await show.show(request, "invoice", lambda db: _one_invoice(db, invoice_id))

    @app.get("/alerts", response_class=HTMLResponse)
    async def alerts(request: Request) -> Response:
        """All alerts, and who was told."""

        async def query(db: Connection) -> dict[str, Any]:
            return {"alerts": await store.alerts(db), "deliveries": await store.deliveries(db)}

        return await show.show(request, "alerts", query)


def build_api(runtime: Runtime) -> FastAPI:
    """The windows."""
    app = application("Vicino console", version="1.0.0")
    guard = Guard(runtime.settings.token())
    show = Pages(runtime, guard)
    _queries(app, runtime, guard)
    _lists(app, show)

    @app.exception_handler(_LoginNeeded)
    async def login_needed(_: Request, __: _LoginNeeded) -> Response:
        return RedirectResponse("/login", 303)

    @app.get("/login", response_class=HTMLResponse)
    async def login_page() -> Response:
        """Where the token goes in."""
        return show.plain("login", wrong=False)

    @app.post("/login")
    async def login(token: Annotated[str, Form()]) -> Response:
        """The token for a cookie."""
        if not guard.knows(token.strip()):
            return show.plain("login", 403, wrong=True)
        response = RedirectResponse("/", 303)
        guard.let_in(response)
        return response

    @app.post("/logout")
    async def logout() -> Response:
        """The cookie is taken back."""
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    @app.get("/{path:path}", include_in_schema=False)
    async def elsewhere(request: Request, path: str) -> Response:
        if path.startswith("api/"):
            raise Problem(404, "Not Found", "no such question")
        return show.missing(request, "page")

    return app
