"""Parked runs: who has no invoice yet, since when and why; and try them now."""

from collections.abc import Collection
from typing import Any

import asyncpg

from services.billing import store
from services.billing.job_kinds import InvoiceRun, invoice_run
from services.chassis.database import Connection
from services.chassis.store import failing_jobs, try_now

LISTED = 1_000


async def show_parked(db: Connection) -> list[dict[str, Any]]:
    """The thousand that have been parked longest."""
    shown = []
    for row in await failing_jobs(db, invoice_run.name, LISTED):
        run = _run(row)
        tenant = await store.tenant(db, run.tenant_id)
        shown.append(
            {"tenant": tenant.external_id if tenant and tenant.external_id else run.tenant_id, "boundary": run.boundary,
             "since": row["failing_since"], "attempts": row["attempt"], "next_try": row["run_at"],
             "explanation": row["last_error"]}
        )  # fmt: skip
    return shown


async def retry_runs(db: Connection, tenants: Collection[str]) -> int:
    """Try the runs of some tenants now, or all that are parked; returns how many."""
    parked = await failing_jobs(db, invoice_run.name, LISTED)
    wanted = [row["id"] for row in parked if not tenants or _run(row).tenant_id in tenants]
    return await try_now(db, wanted)


def _run(row: asyncpg.Record) -> InvoiceRun:
    return InvoiceRun.model_validate(row["args"])
