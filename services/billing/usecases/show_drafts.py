"""Show drafts: what runs in their grace time, and runs that are held, would issue as things stand."""

from datetime import datetime
from typing import Any

from schemas.scalars import plain
from services.billing.store import sql
from services.billing.usecases.preview_invoice import preview_invoice
from services.chassis.database import Connection
from services.chassis.store import collect


async def show_drafts(db: Connection, now: datetime, limit: int) -> list[dict[str, Any]]:
    """The drafts of so many runs, due first: a row for each document, one without amounts for a run that comes to none."""
    found = []
    for row in await collect(sql.drafts(db, now=now, limit=limit)):
        run = {
            "tenant": row["external_id"] or row["tenant_id"], "boundary": row["boundary"], "due": row["as_of"],
            "held": row["reason"],
        }  # fmt: skip
        preview = await preview_invoice(db, row["tenant_id"], now, (), ())
        documents = preview.documents if preview.boundary == row["boundary"] else ()
        found += [
            {**run, "tipo": one.tipo_documento, "currency": one.currency, "net": plain(one.totals.imponibile),
             "total": plain(one.totals.totale_documento)}
            for one in documents
        ] or [{**run, "tipo": None, "currency": None, "net": None, "total": None}]  # fmt: skip
    return found
