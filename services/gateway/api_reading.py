"""A reseller sees its own: tenants, orders, alerts, documents, usage and cost. The door decides whose, others answer."""

import re
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BeforeValidator

from schemas.alerts import AlertState
from schemas.scalars import Key, Uuid
from schemas.views import (
    AlertView,
    InvoiceView,
    OrderView,
    StatementView,
    TenantView,
    UsageView,
    WholeInvoiceView,
)
from services.chassis.other_service import OtherService, Seen
from services.chassis.paging import Cursor
from services.chassis.web import Problem
from services.gateway import store
from services.gateway.contract import OF_ONE_THING
from services.gateway.contract import problem as problem_of
from services.gateway.domain.admission import Principal, PrincipalKind
from services.gateway.doors import Doors, principal_of, problem
from services.gateway.store import sql

AS_OF, NEXT = "Vicino-As-Of", "Vicino-Next"
ROWS_MAX = 200
JSON = "application/json"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_out(text: str) -> date:
    """A civil day as `2026-12-03`; pydantic alone takes seconds since 1970, too. Raises `ValueError`."""
    if not DAY.fullmatch(text):
        raise ValueError("a day is written as 2026-12-03")
    return date.fromisoformat(text)


Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description="At most so many.")]
State = Annotated[str | None, Query(pattern="^[a-z_]{1,20}$")]
GroupBy = Annotated[list[Key], Query(max_length=8)]
Day = Annotated[date, BeforeValidator(_written_out)]


def shown(view: Any, *, is_list: bool = False) -> dict[int | str, dict[str, Any]]:
    """What a route answers, in OpenAPI."""
    headers = {
        AS_OF: {
            "description": "Everything up to this instant is in the answer.",
            "schema": {"type": "string", "format": "date-time"},
        }
    }
    if is_list:
        headers["Link"] = {
            "description": 'The next page, with `rel="next"`; absent on the last one.',
            "schema": {"type": "string"},
        }
    return {200: {"model": view, "headers": headers}}


@dataclass(frozen=True)
class ListPart:
    """Which part of a list is asked for."""

    cursor: Cursor = None
    limit: Limit = 100


@dataclass(frozen=True)
class TenantsListPart(ListPart):
    """The same, perhaps of one tenant."""

    tenant_id: Uuid | None = None


AnyPart = Annotated[ListPart, Depends()]
OfTenants = Annotated[TenantsListPart, Depends()]


@dataclass(frozen=True, slots=True)
class OtherServices:
    """Who answers: the read model, and billing for what is measured and what it costs."""

    read_model: OtherService
    billing: OtherService


class Reading:
    """What the reading doors share."""

    def __init__(self, doors: Doors, others: OtherServices) -> None:
        self._doors, self._others = doors, others

    def whose(self, request: Request) -> str | None:
        """The reseller whose tenants are shown; None for the operator, who sees all. Raises `Problem` 403."""
        principal = principal_of(request)
        if principal.kind is PrincipalKind.BACKEND:
            raise problem(403, "a back-end does not read here")
        return principal.id if principal.kind is PrincipalKind.RESELLER else None

    async def part(
        self, request: Request, name: str, part: ListPart, state: str | None = None, *, meters: bool = False
    ) -> Response:  # fmt: skip
        """A part of a list of the read model's, of the caller's tenants. Raises `Problem` 403, 422, 503."""
        params = {"reseller_id": self.whose(request), "state": state, **asdict(part)}
        return await self.show(request, f"/api/v1/reading/{name}", params, meters=meters)

    async def show(
        self, request: Request, path: str, params: dict[str, Any], *, meters: bool = False
    ) -> Response:
        """What the read model says. Raises `Problem` 404, 422, 503."""
        seen = checked(await self._others.read_model.get(path, params))
        body = seen.body
        if meters:
            body = await self._with_meters(body)
        return self._answer(request, body, seen)

    def _answer(self, request: Request, body: bytes, seen: Seen) -> Response:
        headers = {AS_OF: seen.headers[AS_OF]} if AS_OF in seen.headers else {}
        if NEXT in seen.headers:
            after = request.url.include_query_params(cursor=seen.headers[NEXT])
            headers["Link"] = f'<{after.path}?{after.query}>; rel="next"'
        return Response(body, media_type=JSON, headers=headers)

    async def _with_meters(self, body: bytes) -> bytes:
        """Tenants, with what usage of each service may be of: the doors know, because they judge it."""
        known = await self._doors.knowledge.of(())
        found = msgspec.json.decode(body)
        for tenant in found if isinstance(found, list) else [found]:
            for service in tenant["services"]:
                plan = known.plans.get(service["sku"])
                service["meters"] = sorted(known.measured[plan.sku]) if plan else []
        return msgspec.json.encode(found)

    async def order(self, request: Request, order_id: str) -> Response:
        """An order of a tenant of the reseller's, or one that it sent itself: also before any service has read it."""
        principal, mine = principal_of(request), self.whose(request)
        async with self._doors.runtime.pool.acquire() as db:
            sent = await sql.order_of(db, principal=principal.id, order_id=order_id)
        seen = await self._others.read_model.get(f"/api/v1/reading/orders/{order_id}", {})
        if seen.status == 200:
            found = msgspec.json.decode(seen.body)
            if mine is None or sent is not None or found["reseller_id"] == mine:
                return self._answer(request, msgspec.json.encode(found["order"]), seen)
        if sent is None or seen.status == 200:
            raise Problem(404, "Not Found", "no such order of yours")
        view = OrderView(
            order_id=order_id, tenant_id=sent["tenant_id"], state="accepted",
            accepted_at=sent["accepted_at"],
        )  # fmt: skip
        return self._answer(request, view.model_dump_json().encode(), seen)

    async def of_billing(
        self, request: Request, tenant_id: str, path: str, params: dict[str, Any]
    ) -> Response:
        """What billing says of a tenant of the caller's. Raises `Problem` 403, 404, 422, 503."""
        await self._check_tenant(principal_of(request), tenant_id)
        seen = checked(await self._others.billing.get(f"/v1/tenants/{tenant_id}{path}", params))
        return self._answer(request, seen.body, seen)

    async def _check_tenant(self, principal: Principal, tenant_id: str) -> None:
        """Nobody learns whether another's tenant exists. Raises `Problem` 404."""
        async with self._doors.runtime.pool.acquire() as db:
            found = (await store.tenants(db, [tenant_id])).get(tenant_id)
        is_mine = found is not None and (
            principal.kind is PrincipalKind.OPERATOR or found.reseller_id == principal.id
        )
        if not is_mine:
            raise Problem(404, "Not Found", "no such tenant of yours")

    def month_so_far(self) -> tuple[date, date]:
        """From the first day of the month to tomorrow."""
        today = self._doors.runtime.clock.now().date()
        return today.replace(day=1), today + timedelta(days=1)


def checked(seen: Seen) -> Seen:
    """An answer that may be shown; a refusal is raised as the `Problem` that it is."""
    if seen.status == 200:
        return seen
    said = msgspec.json.decode(seen.body)
    raise Problem(
        seen.status, said["title"], said["detail"], said.get("errors"), total=said.get("total")
    )


def add_reading(app: FastAPI, reading: Reading) -> None:
    """What a reseller reads."""
    _add_tenants(app, reading)
    _add_alerts(app, reading)
    _add_money(app, reading)
    _add_usage(app, reading)


def _add_tenants(app: FastAPI, reading: Reading) -> None:
    @app.get("/v1/tenants", responses=shown(list[TenantView], is_list=True))
    async def tenants(request: Request, part: AnyPart, state: State = None) -> Response:
        """Your tenants by their names, each with its services, what usage they may send, and its newest order."""
        return await reading.part(request, "tenants", part, state, meters=True)

    @app.get("/v1/tenants/{tenant_id}", responses=shown(TenantView))
    async def tenant(request: Request, tenant_id: Uuid) -> Response:
        """One of your tenants."""
        params = {"reseller_id": reading.whose(request)}
        path = f"/api/v1/reading/tenants/{tenant_id}"
        return await reading.show(request, path, params, meters=True)

    @app.get("/v1/orders", responses=shown(list[OrderView], is_list=True))
    async def orders(request: Request, part: OfTenants, state: State = None) -> Response:
        """Orders of your tenants, newest first."""
        return await reading.part(request, "orders", part, state)

    @app.get("/v1/orders/{order_id}", responses=shown(OrderView))
    async def order(request: Request, order_id: Uuid) -> Response:
        """How far an order has come, by the id that its 202 gave: one of your tenants', or one that you sent."""
        return await reading.order(request, order_id)


def _add_alerts(app: FastAPI, reading: Reading) -> None:
    @app.get("/v1/alerts", responses=shown(list[AlertView], is_list=True))
    async def alerts(
        request: Request, part: OfTenants, state: AlertState | None = None
    ) -> Response:
        """Alerts about your tenants, newest first."""
        return await reading.part(request, "alerts", part, state)

    @app.get("/v1/alerts/{alert_id}", responses=shown(AlertView))
    async def alert(request: Request, alert_id: Uuid) -> Response:
        """One alert about a tenant of yours."""
        params = {"reseller_id": reading.whose(request)}
        return await reading.show(request, f"/api/v1/reading/alerts/{alert_id}", params)


def _add_money(app: FastAPI, reading: Reading) -> None:
    @app.get("/v1/invoices", responses=shown(list[InvoiceView], is_list=True))
    async def invoices(request: Request, part: OfTenants, state: State = None) -> Response:
        """Invoices and credit notes of your tenants, newest first."""
        return await reading.part(request, "invoices", part, state)

    @app.get("/v1/invoices/{invoice_id}", responses=shown(WholeInvoiceView))
    async def invoice(request: Request, invoice_id: Uuid) -> Response:
        """One document with its lines."""
        params = {"reseller_id": reading.whose(request)}
        return await reading.show(request, f"/api/v1/reading/invoices/{invoice_id}", params)

    @app.get("/v1/statements", responses=shown(list[StatementView], is_list=True))
    async def statements(request: Request, part: AnyPart) -> Response:
        """What you are paid, by quarter, line by line."""
        return await reading.part(request, "statements", part)


def _add_usage(app: FastAPI, reading: Reading) -> None:
    @app.get("/v1/usage", responses={**shown(list[UsageView]), 404: problem_of(OF_ONE_THING)})
    async def usage(
        request: Request,
        tenant_id: Uuid,
        first: Annotated[Day | None, Query(alias="from", description="The first day.")] = None,
        after: Annotated[
            Day | None, Query(alias="to", description="The day after the last one.")
        ] = None,
        meter: Key | None = None,
        by: Literal["total", "day", "hour"] = "total",
        group_by: GroupBy = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        """What a tenant of yours used over civil days of its zone: of this month so far, if not said."""
        reading.whose(request)
        begin, end = reading.month_so_far()
        params = {"from": first or begin, "to": after or end, "meter": meter, "by": by, "group_by": group_by}  # fmt: skip
        return await reading.of_billing(request, tenant_id, "/usage", params)

    @app.get("/v1/tenants/{tenant_id}/cost", responses=shown(dict[str, Any]))
    async def cost(request: Request, tenant_id: Uuid) -> Response:
        """What the running month costs a tenant of yours, net of IVA, so far and at its end if it goes on like this."""
        reading.whose(request)
        return await reading.of_billing(request, tenant_id, "/cost", {})
