"""The console's HTTP: the query API as JSON, the pages over the same read model, and the sessions that open them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, cast

from fastapi import FastAPI, Query, Request, Response

from services.chassis.database import Connection
from services.chassis.engine.freshness import Freshness
from services.chassis.other_service import OtherService
from services.chassis.service import Runtime
from services.chassis.web import Problem, application
from services.console import metrics, store
from services.console.acting import add_acting
from services.console.api_reading import Reader, add_reading
from services.console.lists import OFFSET_MAX, Listing, Offset
from services.console.pages import Pages, add_pages
from services.console.sessions import Guard
from services.console.signing import add_signing

PUBLIC = ("/login",)
LIMIT_MAX = 1_000
"""Of what one answer of the query API lists, and of what it lists unasked."""

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="At most so many.")]


def build_api(runtime: Runtime, freshness: Freshness, gateway: OtherService) -> FastAPI:
    """The query API and the pages. Both want the operator's token; pages take it once, for a session."""
    guard = Guard(runtime)
    app = application("Vicino console", guard.admit, public=PUBLIC, version="1.0.0")
    show = Pages(runtime)
    _add_queries(app, Queries(runtime))
    add_reading(app, Reader(runtime, freshness))
    add_pages(app, show)
    add_acting(app, show, runtime, gateway)
    add_signing(app, show, guard)

    @app.get("/{path:path}", include_in_schema=False)
    async def elsewhere(path: str) -> Response:
        if path.startswith("api/"):
            raise Problem(404, "Not Found", "no such question")
        return show.missing("page")

    return app


class Queries:
    """The query API: the read model as JSON. Each list is given in parts; `Link` names the next one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def ask(self, name: str, query: Callable[[Connection], Awaitable[Any]]) -> Any:
        """Ask the read model, and count the question."""
        metrics.PAGES.labels(f"api/{name}").inc()
        async with self._runtime.pool.acquire() as db:
            return await query(db)

    async def part(
        self, request: Request, answer: Response, limit: int, offset: int, query: Listing
    ) -> list[dict[str, Any]]:
        """A part of a list; the answer says where the next one is."""
        found = await self.ask(
            request.url.path.rpartition("/")[2], lambda db: query(db, store.Part(limit + 1, offset))
        )
        if len(found) > limit and offset + limit <= OFFSET_MAX:
            after = request.url.include_query_params(limit=limit, offset=offset + limit)
            answer.headers["Link"] = f'<{after.path}?{after.query}>; rel="next"'
        return cast(list[dict[str, Any]], found[:limit])

    async def tenants(self, db: Connection, part: store.Part) -> list[dict[str, Any]]:
        """Tenants, with their services as they are now."""
        return await store.tenants(db, part, at=self._runtime.clock.now())

    async def tenant(self, tenant_id: str) -> Any:
        """One tenant. Raises `Problem` 404."""
        found = await self.ask(
            "tenant",
            lambda db: store.tenants(
                db, store.ONE, at=self._runtime.clock.now(), tenant_id=tenant_id
            ),
        )
        if not found:
            raise Problem(404, "Not Found", "no such tenant")
        return found[0]


def _add_lists(app: FastAPI, queries: Queries) -> None:
    def offer(name: str, query: Listing, about: str) -> None:
        async def listed(
            request: Request, answer: Response, limit: Limit = LIMIT_MAX, offset: Offset = 0
        ) -> list[dict[str, Any]]:
            return await queries.part(request, answer, limit, offset, query)

        app.get(f"/api/v1/{name}", name=name, description=about)(listed)

    offer("tenants", queries.tenants, "All tenants, with services and the ranking of resellers.")
    offer("orders", store.orders, "All orders, newest first.")
    offer("resellers", store.resellers, "All resellers.")
    offer("settlements", store.settlements, "Statements of resellers, the newest quarter first.")
    offer("alerts", store.alerts, "All alerts, newest first.")
    offer("deliveries", store.deliveries, "Notifications, newest first.")
    offer(
        "parked-invoices",
        store.parked_invoices,
        "Invoice runs that fail or are held, the oldest first.",
    )


def _add_queries(app: FastAPI, queries: Queries) -> None:
    _add_lists(app, queries)

    @app.get("/api/v1/tenants/{tenant_id}")
    async def tenant(tenant_id: str) -> Any:
        """One tenant."""
        return await queries.tenant(tenant_id)

    @app.get("/api/v1/invoices")
    async def invoices(
        request: Request,
        answer: Response,
        tenant_id: str | None = None,
        limit: Limit = LIMIT_MAX,
        offset: Offset = 0,
    ) -> list[dict[str, Any]]:
        """Invoices, newest first: of all or of one tenant."""
        query = partial(store.invoices, tenant_id=tenant_id)
        return await queries.part(request, answer, limit, offset, query)
