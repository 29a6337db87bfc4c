"""Billing's doors for what is agreed before an invoice: drafts, held runs, and prices of one tenant."""

from datetime import date
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict

from schemas.scalars import Amount, Key
from services.billing.api_reads import Name, Reads, Words
from services.billing.domain.agreed_prices import AgreedPrice
from services.billing.usecases.agree_price import PriceRefused, agree_price
from services.billing.usecases.hold_run import RunClosed, approve_run, hold_run
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.show_agreed import show_agreed
from services.billing.usecases.show_drafts import show_drafts
from services.chassis.service import Runtime
from services.chassis.web import Problem, refused

Limit = Annotated[int, Query(ge=1, le=1000)]


class HoldRequest(BaseModel):
    """Why a run is held."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


class PriceRequest(BaseModel):
    """What a tenant pays for a unit of a component, from the first day of a month on."""

    model_config = ConfigDict(extra="forbid")

    sku: Key
    code: Key
    price: Amount
    since: date
    until: date | None = None
    by: Words
    reason: Words


def build_runs_api(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    """Add these doors to the API."""
    _prices(app, ask, runtime)

    @app.get("/v1/drafts")
    async def drafts(limit: Limit = 100) -> list[dict[str, Any]]:
        """What runs in their grace time, and runs that are held, would issue as things stand; of so many runs, due first."""
        return await ask(lambda db: show_drafts(db, runtime.clock.now(), limit))

    @app.put("/v1/tenants/{tenant_id}/drafts/{boundary}/hold", status_code=204)
    async def hold(tenant_id: Name, boundary: date, asked: HoldRequest) -> None:
        """Keep a run from being made until it is approved; 409 when it is done."""
        try:
            async with runtime.unit(f"hold|{uuid4()}") as unit:
                await hold_run(tenant_id, boundary, asked.reason, unit)
        except (NotKnown, RunClosed) as error:
            raise _refused(error) from None

    @app.delete("/v1/tenants/{tenant_id}/drafts/{boundary}/hold", status_code=204)
    async def approve(tenant_id: Name, boundary: date) -> None:
        """Let a held run go on, at once if it is due."""
        try:
            async with runtime.unit(f"approve|{uuid4()}") as unit:
                await approve_run(tenant_id, boundary, unit)
        except (NotKnown, RunClosed) as error:
            raise _refused(error) from None


def _prices(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.put("/v1/tenants/{tenant_id}/prices", status_code=204)
    async def agree(tenant_id: Name, asked: PriceRequest) -> None:
        """Agree a price with a tenant; one that begins on the same day is replaced."""
        wanted = AgreedPrice(asked.sku, asked.code, asked.since, asked.until, asked.price)
        try:
            async with runtime.unit(f"price|{uuid4()}") as unit:
                await agree_price(tenant_id, wanted, asked.by, asked.reason, unit)
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except PriceRefused as error:
            raise refused(f"/{error.field}", error.reason, str(error)) from None

    @app.get("/v1/tenants/{tenant_id}/prices")
    async def agreed(tenant_id: Name) -> list[dict[str, Any]]:
        """What is agreed with a tenant, of all times, in the order of arrival."""
        return await ask(lambda db: show_agreed(db, tenant_id))


def _refused(error: NotKnown | RunClosed) -> Problem:
    if isinstance(error, RunClosed):
        return Problem(409, "Conflict", f"closed: {error}")
    return Problem(404, "Not Found", str(error))
