"""Billing's windows for the operator: what became of usage, rejects, quantities, and how a line came about."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from asyncpg import Record
from fastapi import FastAPI, Query
from pydantic import AwareDatetime, BaseModel, Field

from schemas.scalars import plain
from services.billing.api_money import build_money_api
from services.billing.api_prices import build_prices_api
from services.billing.api_reads import Name, Reads
from services.billing.api_runs import build_runs_api
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.billing.usecases.explain_invoice import explain_invoice
from services.billing.usecases.query_usage import UsageQuery, query_events, query_usage
from services.billing.usecases.show_cost import show_cost
from services.billing.usecases.summarise_usage import summarise_usage
from services.chassis import store as chassis_store
from services.chassis.clock import Clock
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.chassis.web import application, operator_only

Limit = Annotated[int, Query(ge=1, le=1000)]
Line = Annotated[int | None, Query(ge=1)]


class UsageParameters(BaseModel):
    """What quantities are asked for: civil days `[from, to)` of the tenant's zone."""

    first: date = Field(alias="from")
    after: date = Field(alias="to")
    meter: Name | None = None
    by: Literal["total", "day", "hour"] = "total"
    group_by: list[Name] = Field(default_factory=list, max_length=8)

    def query(self) -> UsageQuery:
        """The question in billing's own terms."""
        return UsageQuery(self.first, self.after, self.meter, self.by, self.group_by)


def build_api(runtime: Runtime) -> FastAPI:
    """The API of billing."""
    app, ask = (
        application("Vicino billing", operator_only(runtime.settings.token(), "billing")),
        Reads(runtime),
    )
    _of_all_tenants(app, ask)
    _of_one_tenant(app, ask, runtime.clock)
    build_money_api(app, ask, runtime)
    build_runs_api(app, ask, runtime)
    build_prices_api(app, ask, runtime)
    return app


def _of_all_tenants(app: FastAPI, ask: Reads) -> None:
    @app.get("/v1/usage/summary")
    async def usage_summary() -> dict[str, Any]:
        """What became of every usage record."""
        return await ask(summarise_usage)

    @app.get("/v1/rejects")
    async def rejects(reason: Name | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest rejects, with their reason and place; the raw record is kept, and shown by `vicino rejects`."""
        found = await ask(lambda db: chassis_store.list_rejects(db, reason, limit))
        hidden = {"raw"}
        return [{name: value for name, value in row.items() if name not in hidden} for row in found]

    @app.get("/v1/usage/parked")
    async def parked() -> list[dict[str, Any]]:
        """What usage waits for: services, or the catalogue, that are not known yet."""
        return [dict(row) for row in await ask(lambda db: collect(metering.parked(db)))]

    @app.get("/v1/meters")
    async def meters() -> list[dict[str, Any]]:
        """All definitions of all meters."""
        found = await ask(lambda db: collect(sql.meter_versions(db)))
        return [dict(row) for row in sorted(found, key=lambda row: (row["key"], row["version"]))]


def _of_one_tenant(app: FastAPI, ask: Reads, clock: Clock) -> None:
    @app.get("/v1/tenants/{tenant_id}/usage")
    async def usage(
        tenant_id: Name, asked: Annotated[UsageParameters, Query()]
    ) -> list[dict[str, Any]]:
        """Quantities of a tenant over the civil days `[from, to)`, whole or by day or hour, by service, meter and group."""
        return await ask(lambda db: query_usage(db, tenant_id, asked.query()))

    @app.get("/v1/tenants/{tenant_id}/usage/events")
    async def usage_events(
        tenant_id: Name, hour: AwareDatetime, meter: Name | None = None
    ) -> list[dict[str, Any]]:
        """The raw events behind a bucket: those of the civil hour that begins at `hour`, that a meter counts."""
        return await ask(lambda db: query_events(db, tenant_id, hour, meter))

    @app.get("/v1/tenants/{tenant_id}/cost")
    async def cost(tenant_id: Name) -> dict[str, Any]:
        """What the running month costs, net of IVA: fees, usage so far, and both at its end if it goes on like this."""
        return await ask(lambda db: show_cost(db, tenant_id, clock.now()))

    @app.get("/v1/tenants/{tenant_id}/usage/late")
    async def late(tenant_id: Name) -> list[dict[str, Any]]:
        """Usage that came after its month was invoiced, with the month it belongs to."""
        return [
            _shown(row)
            for row in await ask(lambda db: collect(metering.late(db, tenant_id=tenant_id)))
        ]

    @app.get("/v1/invoices/{name:path}/explain")
    async def explain(name: Name, line: Line = None) -> dict[str, Any]:
        """What is behind a document's lines, by its id or number; of one line of usage, down to the raw events."""
        return await ask(lambda db: explain_invoice(db, name, line))


def _shown(row: Record) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }
