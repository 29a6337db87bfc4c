"""Billing's doors for invoice runs: drafts, and holding one until a person approves it."""

from datetime import date
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict

from services.billing.api_reads import Name, Reads, Words
from services.billing.usecases.hold_run import RunClosed, approve_run, hold_run
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.show_drafts import show_drafts
from services.chassis.service import Runtime
from services.chassis.web import Problem

Limit = Annotated[int, Query(ge=1, le=1000)]


class HoldRequest(BaseModel):
    """Why a run is held."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


def build_runs_api(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    """Add these doors to the API."""

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


def _refused(error: NotKnown | RunClosed) -> Problem:
    if isinstance(error, RunClosed):
        return Problem(409, "Conflict", f"closed: {error}")
    return Problem(404, "Not Found", str(error))
