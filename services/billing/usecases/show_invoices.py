"""Show a tenant's invoices, and where each stands with its payments."""

from datetime import datetime
from typing import Any

from schemas.scalars import plain
from services.billing import store
from services.billing.domain.periods import civil_day
from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.record_payment import standing
from services.chassis.database import Connection
from services.chassis.store import collect


async def show_invoices(db: Connection, tenant_id: str, now: datetime) -> list[dict[str, Any]]:
    """The newest thousand invoices, newest first. Raises `NotKnown`."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        tenant = await store.tenant(db, tenant_id)
        if tenant is None:
            raise NotKnown("no such tenant")
        today = civil_day(now, tenant.zone)
        rows = [
            await sql.invoice(db, name=row["id"])
            for row in await collect(sql.invoices_of(db, tenant_id=tenant_id))
        ]
        found = [await standing(db, row) for row in rows]
    return [
        {"number": one.issued.number, "date": one.issued.date, "due": one.issued.due, "currency": one.issued.currency,
         "asked": plain(one.receivable.asked), "credited": plain(one.receivable.credited), "paid": plain(one.receivable.paid),
         "open": plain(one.receivable.open), "state": one.receivable.state(today), "paid_on": one.paid_on}
        for one in found
    ]  # fmt: skip
