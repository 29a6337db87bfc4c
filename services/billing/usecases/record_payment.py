"""Record payments of invoices, and publish what is paid and what is overdue."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

import asyncpg

from schemas.billing import InvoiceIssued, InvoiceOverdue, InvoicePaid, PaymentRecorded
from schemas.currencies import minor_unit
from schemas.reasons import Reason
from services.billing import store
from services.billing.domain.documents import DocumentType
from services.billing.domain.ledger import BookedFor, CauseKind, of_payment
from services.billing.domain.receivables import Receivable, receivable
from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown
from services.chassis.database import Connection
from services.chassis.store import collect
from services.chassis.unit import Unit

AMOUNT_MAX = Decimal(1_000_000_000)


class PaymentRefused(ValueError):
    """A payment that cannot be recorded; `field` says what is wrong."""

    def __init__(self, field: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Standing:
    """An invoice, and where it stands with its payments."""

    issued: InvoiceIssued
    receivable: Receivable
    paid_on: date | None


async def standing(db: Connection, row: asyncpg.Record) -> Standing:
    """Where an invoice stands, by its row."""
    issued = InvoiceIssued.model_validate(row["document"])
    notes = await collect(sql.credit_notes(db, invoice_id=row["id"]))
    credited = [InvoiceIssued.model_validate(note["document"]).totals.da_pagare for note in notes]
    paid = [payment["amount"] for payment in await collect(sql.payments(db, invoice_id=row["id"]))]
    found = receivable(issued.totals.da_pagare, issued.due, credited, paid)
    return Standing(issued, found, row["paid_on"])


async def record_payment(
    number: str, reference: str, amount: Decimal, received_on: date, unit: Unit
) -> Receivable:
    """Save a payment of an invoice, by its id or number; what goes back is negative. Returns where it stands now.

    The same reference again changes nothing. Raises `NotKnown`, and `PaymentRefused` for an amount that cannot be, a credit
    note, money that goes back and never came, or a reference that came before with another amount.
    """
    row = await sql.lock_invoice(unit.db, name=number)
    if row is None:
        raise NotKnown("no such invoice")
    before = await standing(unit.db, row)
    for payment in await collect(sql.payments(unit.db, invoice_id=row["id"])):
        if payment["reference"] == reference:
            if (payment["amount"], payment["received_on"]) != (amount, received_on):
                raise PaymentRefused("reference", Reason.ID_REUSE, "this reference came before with other content")  # fmt: skip
            return before.receivable
    _check(row, before, amount)
    payment_id = uuid5(NAMESPACE_OID, f"vicino|payment|{row['id']}|{reference}")
    await sql.add_payment(
        unit.db, id=payment_id, invoice_id=row["id"], reference=reference, amount=amount, received_on=received_on,
        stored_at=unit.now,
    )  # fmt: skip
    cause = BookedFor(
        CauseKind.PAYMENT, str(payment_id), row["tenant_id"], before.issued.currency, received_on
    )
    await store.book(unit.db, [(cause, of_payment(amount))], unit.now)
    after = (await standing(unit.db, row)).receivable
    unit.publish(
        PaymentRecorded(
            payment_id=str(payment_id), invoice_id=row["id"], number=row["number"], reference=reference, amount=amount,
            currency=before.issued.currency, received_on=received_on, open=after.open,
        ),
        subject=row["tenant_id"],
    )  # fmt: skip
    await note_paid(row, received_on, unit)
    return after


def _check(row: asyncpg.Record, before: Standing, amount: Decimal) -> None:
    if row["tipo"] != DocumentType.INVOICE:
        raise PaymentRefused(
            "number",
            Reason.BAD_DATA,
            "a credit note is not paid: it lowers what its invoice asks for",
        )
    if amount % minor_unit(before.issued.currency):
        raise PaymentRefused("amount", Reason.MINOR_UNIT, f"a multiple of {minor_unit(before.issued.currency)}")  # fmt: skip
    if amount == 0 or abs(amount) > AMOUNT_MAX:
        raise PaymentRefused("amount", Reason.PRICE_RANGE, f"up to {AMOUNT_MAX}, and not 0")
    if before.receivable.paid + amount < 0:
        raise PaymentRefused("amount", Reason.PRICE_RANGE, f"{before.receivable.paid} came: no more can go back")  # fmt: skip


async def note_paid(row: asyncpg.Record, day: date, unit: Unit) -> None:
    """Publish that an invoice is paid in full, if it is and that was not published yet."""
    found = await standing(unit.db, row)
    if found.receivable.open > 0:
        return
    # The row may have been read before it was locked, so only the insert says whether this is the first time.
    if await sql.mark_paid(unit.db, id=row["id"], paid_on=day):
        unit.publish(
            InvoicePaid(invoice_id=row["id"], number=row["number"], paid_on=day, reseller_id=found.issued.reseller_id),
            subject=row["tenant_id"],
        )  # fmt: skip


async def tell_overdue(invoice_id: str, unit: Unit) -> None:
    """Tell that an invoice is overdue, if something is open. Called once, when its day is over."""
    row = await sql.lock_invoice(unit.db, name=invoice_id)
    found = await standing(unit.db, row)
    if found.receivable.open > 0:
        issued = found.issued
        unit.publish(
            InvoiceOverdue(
                invoice_id=row["id"], number=row["number"], due=issued.due, currency=issued.currency,
                open=found.receivable.open, reseller_id=issued.reseller_id,
            ),
            subject=row["tenant_id"],
        )  # fmt: skip
