"""Hold an invoice run, and approve it: what a person wants to look at first is not issued before."""

from datetime import date, datetime

from schemas.billing import InvoiceApproved, InvoiceHeld
from services.billing import store
from services.billing.job_kinds import InvoiceRun, invoice_run
from services.billing.store import sql
from services.billing.usecases.plan_invoice import job_key
from services.billing.usecases.query_usage import NotKnown
from services.chassis.texts import bounded
from services.chassis.unit import Unit

REASON_LENGTH_MAX = 200


class RunClosed(ValueError):
    """The run is done: its documents are final."""


async def hold_run(tenant_id: str, boundary: date | None, reason: str, unit: Unit) -> date:
    """Keep a tenant's run of a boundary from being made; none: its next one. Returns the boundary.

    A run that is held already gets the new reason. Raises `NotKnown`, and `RunClosed` for a run that is done.
    """
    run, _ = await _open_run(tenant_id, boundary, unit)
    why = bounded(reason)[:REASON_LENGTH_MAX]
    await sql.hold_run(unit.db, tenant_id=tenant_id, boundary=run, reason=why, held_at=unit.now)
    unit.publish(InvoiceHeld(boundary=run, reason=why), subject=tenant_id)
    return run


async def approve_run(tenant_id: str, boundary: date | None, unit: Unit) -> date:
    """Let a held run go on: it is made when it is due, at once if it was. Returns its boundary.

    It counts what was stored when it was due, as if it had not been held. Raises `NotKnown` and `RunClosed`.
    """
    run, as_of = await _open_run(tenant_id, boundary, unit)
    if await sql.approve_run(unit.db, tenant_id=tenant_id, boundary=run) is None:
        raise NotKnown(f"the run of {run} is not held")
    unit.enqueue(
        invoice_run,
        InvoiceRun(tenant_id=tenant_id, boundary=run),
        at=as_of,
        key=job_key(tenant_id, run),
    )
    unit.publish(InvoiceApproved(boundary=run), subject=tenant_id)
    return run


async def is_held(tenant_id: str, boundary: date, unit: Unit) -> bool:
    """Whether a person holds this run. The tenant is held alone, so that nobody approves or holds it meanwhile."""
    await store.lock_tenant(unit.db, tenant_id)
    return await sql.held(unit.db, tenant_id=tenant_id, boundary=boundary) is not None


async def _open_run(tenant_id: str, boundary: date | None, unit: Unit) -> tuple[date, datetime]:
    if await store.lock_if_known(unit.db, tenant_id) is None:
        raise NotKnown("no such tenant")
    row = await sql.run_of(unit.db, tenant_id=tenant_id, boundary=boundary)
    if row is None:
        raise NotKnown("the tenant has no such run")
    if row["is_done"]:
        raise RunClosed(f"the run of {row['boundary']} is done: its documents are final")
    return row["boundary"], row["as_of"]
