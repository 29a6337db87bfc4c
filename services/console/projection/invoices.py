"""Documents as they were issued."""

from schemas.billing import InvoiceIssued
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def invoice_issued(event: Event[InvoiceIssued], unit: Unit) -> None:
    """A document."""
    data = event.data
    await sql.put_invoice(
        unit.db, id=data.invoice_id, tenant_id=event.subject, number=data.number, issued_on=data.date,
        total=data.totals.totale_documento, document=data.model_dump(mode="json"),
    )  # fmt: skip
