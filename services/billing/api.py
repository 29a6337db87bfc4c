"""Billing's windows for the operator: what became of usage, rejects, quantities, and how a line came about."""

from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Query

from schemas.catalogue import Plan
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.periods import midnight
from services.billing.runs import metered
from services.billing.store import sql
from services.chassis import store as chassis_store
from services.chassis.service import Runtime
from services.chassis.store import rows
from services.chassis.web import Problem, application, operator_only

Limit = Annotated[int, Query(ge=1, le=1000)]


def build_api(runtime: Runtime) -> FastAPI:
    """The API of billing."""
    app = application("Vicino billing", dependencies=[Depends(operator_only(runtime.settings.token()))])

    @app.get("/v1/usage/summary")
    async def usage_summary() -> dict[str, Any]:
        """What became of every usage record."""
        async with runtime.pool.acquire() as db:
            found = await rows(sql.tally(db))
        totals = {
            outcome: sum(row["n"] for row in found if row["outcome"] == outcome)
            for outcome in ("counted", "duplicate", "parked")
        }
        rejected = {row["reason"]: row["n"] for row in found if row["outcome"] == "rejected" and row["n"]}
        return {
            "counted": totals["counted"],
            "duplicates": totals["duplicate"],
            "parked": totals["parked"],
            "rejected": rejected,
        }

    @app.get("/v1/rejects")
    async def rejects(reason: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest rejects, with their reason and place; the raw record is kept, and shown by `vicino rejects`."""
        async with runtime.pool.acquire() as db:
            found = await chassis_store.list_rejects(db, reason, limit)
        hidden = {"raw"}
        return [{name: value for name, value in row.items() if name not in hidden} for row in found]

    @app.get("/v1/tenants/{tenant_id}/usage")
    async def usage(
        tenant_id: str, start: Annotated[date, Query(alias="from")], end: Annotated[date, Query(alias="to")]
    ) -> list[dict[str, str]]:
        """Quantities of every meter of a tenant over the civil days `[from, to)`."""
        async with runtime.pool.acquire() as db:
            return await _quantities(db, tenant_id, start, end)

    @app.get("/v1/invoices/{invoice_id}/explain")
    async def explain(invoice_id: str) -> dict[str, Any]:
        """The ledger rows behind an invoice's lines."""
        async with runtime.pool.acquire() as db:
            invoice = await sql.invoice(db, id=invoice_id)
            if invoice is None:
                raise Problem(404, "Not Found", "no such invoice")
            found = await rows(sql.charges_of(db, invoice_id=invoice_id))
        shown = [{name: str(value) for name, value in row.items()} for row in found]
        return {"invoice_id": invoice_id, "number": invoice["number"], "charges": shown}

    return app


async def _quantities(db: Any, tenant_id: str, start: date, end: date) -> list[dict[str, str]]:
    tenant = await sql.lock_tenant(db, id=tenant_id)
    if tenant is None:
        raise Problem(404, "Not Found", "no such tenant")
    zone, meters = ZoneInfo(tenant["zone"]), await store.meters(db)
    found = []
    for service in await rows(sql.services(db, tenant_id=tenant_id)):
        for price in Plan.model_validate(service["plan"]).usage:
            quantity = await metered(db, service["id"], meters[price.meter], midnight(start, zone), midnight(end, zone))
            found.append({"service_id": service["id"], "meter": price.meter, "quantity": plain(quantity)})
    return found
