"""Documents as they were issued, and what is paid of them."""

from schemas.billing import (
    InvoiceApproved,
    InvoiceHeld,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceParked,
    InvoiceReleased,
    PaymentRecorded,
)
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def invoice_issued(event: Event[InvoiceIssued], unit: Unit) -> None:
    """A document. What a credit note gives back is not open any more of its invoice."""
    data = event.data
    await sql.put_invoice(
        unit.db, id=data.invoice_id, tenant_id=event.subject, number=data.number, issued_on=data.date,
        total=data.totals.totale_documento, document=data.model_dump(mode="json"),
        open=None if data.corrects else data.totals.da_pagare,
    )  # fmt: skip
    if data.corrects is not None:
        await sql.credit_invoice(
            unit.db, number=data.corrects.number, tenant_id=event.subject, amount=data.totals.da_pagare
        )  # fmt: skip


async def invoice_parked(event: Event[InvoiceParked], unit: Unit) -> None:
    """A tenant has no invoice yet: its run fails."""
    data = event.data
    await sql.park_invoice(
        unit.db, tenant_id=event.subject, boundary=data.boundary, since=data.since, explanation=data.explanation
    )  # fmt: skip


async def invoice_held(event: Event[InvoiceHeld], unit: Unit) -> None:
    """A person keeps a tenant's invoice back."""
    await sql.park_invoice(
        unit.db, tenant_id=event.subject, boundary=event.data.boundary, since=event.time,
        explanation=f"held: {event.data.reason}",
    )  # fmt: skip


async def invoice_approved(event: Event[InvoiceApproved], unit: Unit) -> None:
    """It is kept back no more."""
    await sql.release_invoice(unit.db, tenant_id=event.subject, boundary=event.data.boundary)


async def invoice_released(event: Event[InvoiceReleased], unit: Unit) -> None:
    """Its run went through."""
    await sql.release_invoice(unit.db, tenant_id=event.subject, boundary=event.data.boundary)


async def payment_recorded(event: Event[PaymentRecorded], unit: Unit) -> None:
    """Money came, or went back."""
    await sql.pay_invoice(unit.db, id=event.data.invoice_id, open=event.data.open)


async def invoice_paid(event: Event[InvoicePaid], unit: Unit) -> None:
    """An invoice is paid in full."""
    await sql.mark_paid(unit.db, id=event.data.invoice_id, paid_on=event.data.paid_on)


async def invoice_overdue(event: Event[InvoiceOverdue], unit: Unit) -> None:
    """It was due, and something is open."""
    await sql.mark_overdue(unit.db, id=event.data.invoice_id)
