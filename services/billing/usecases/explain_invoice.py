"""Explain an invoice: the ledger rows behind its lines."""

from typing import Any

from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown
from services.chassis.database import Connection
from services.chassis.store import collect


async def explain_invoice(db: Connection, invoice_id: str) -> dict[str, Any]:
    """An invoice's number and its charges, every value as text. Raises `NotKnown`."""
    invoice = await sql.invoice(db, id=invoice_id)
    if invoice is None:
        raise NotKnown("no such invoice")
    found = await collect(sql.charges_of(db, invoice_id=invoice_id))
    shown = [{name: str(value) for name, value in row.items()} for row in found]
    return {"invoice_id": invoice_id, "number": invoice["number"], "charges": shown}
