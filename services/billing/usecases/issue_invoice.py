"""Issue what a tenant owes at a boundary: its documents, in one transaction that holds the tenant alone.

A service's first boundary is the day it starts (fees in advance and set-up), then the first day of each civil month, on
which all services of a tenant share their documents. A run is finalised some hours later (grace), so that late usage and
late facts of the boundary's eve are in it; the documents carry the boundary's date. What comes after that instant is left
for the next run, however late this one is: the documents are the same whenever they are made.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from schemas.billing import InvoiceIssued, InvoiceReference, InvoiceSkipped
from services.billing import metrics, store
from services.billing.domain.documents import Draft, ServiceCharge, documents
from services.billing.domain.invoice import due_date, number, series_of
from services.billing.domain.ledger import BookedFor, CauseKind, of_charges, of_document
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import midnight
from services.billing.domain.runs import run_key
from services.billing.job_kinds import CountWaiting, TellOverdue, count_waiting, overdue
from services.billing.store import sql
from services.billing.usecases.accrue_commission import accrue_commission
from services.billing.usecases.charge_tenant import charge_tenant
from services.billing.usecases.plan_invoice import plan_run
from services.billing.usecases.record_payment import note_paid
from services.billing.usecases.tax_document import tax_document
from services.chassis.unit import Unit


def invoice_id(tenant_id: str, boundary: date, *more: str) -> str:
    """The same document of the same run has the same id."""
    return str(
        uuid5(NAMESPACE_OID, "|".join(("vicino", "invoice", tenant_id, str(boundary), *more)))
    )


async def issue_invoice(
    tenant_id: str, boundary: date, grace_hours: int, unit: Unit
) -> datetime | None:
    """Make and issue the documents of a tenant and boundary, if that was not done before. No charges: no document.

    Returns the instant up to which what was stored counted; None if the run was done before.
    """
    tenant = await store.lock_tenant(unit.db, tenant_id)
    await plan_run(tenant, boundary, grace_hours, unit.now, unit)
    as_of = await sql.open_run(unit.db, tenant_id=tenant_id, boundary=boundary)
    if as_of is None:
        return None
    charges = await charge_tenant(unit.db, tenant, boundary, as_of)
    if boundary.day == 1:
        await sql.forget_dirty(unit.db, tenant_id=tenant_id, before=boundary)
        await sql.close_until(unit.db, id=tenant_id, instant=midnight(boundary, tenant.zone))
        waits_for = run_key(tenant_id, boundary)
        unit.enqueue(count_waiting, CountWaiting(waits_for=waits_for), key=waits_for)
    is_credited = any(one.charge.net < 0 for one in charges)
    originals = await store.originals(unit.db, tenant_id) if is_credited else []
    made = documents(charges, originals)
    for n, draft in enumerate(made.drafts):
        of = (draft.type, draft.currency, draft.corrects.id if draft.corrects else "")
        await _issue(
            tenant,
            invoice_id(tenant_id, boundary, *of[: 3 if n else 0]),
            boundary,
            draft,
            as_of,
            unit,
        )
    await _keep_unbilled(tenant_id, boundary, made.unbilled, unit)
    if made.unbilled and not made.drafts:
        unit.publish(
            InvoiceSkipped(boundary=boundary, charges=len(made.unbilled)), subject=tenant_id
        )
    return as_of  # type: ignore[no-any-return]


async def _keep_unbilled(
    tenant_id: str, boundary: date, charges: Sequence[ServiceCharge], unit: Unit
) -> None:
    """Charges that cancel each other out are kept and booked, though no document shows them."""
    if charges:
        await store.add_charges(unit.db, None, tenant_id, charges)
    for currency in sorted({one.currency for one in charges}):
        cause = BookedFor(
            CauseKind.CHARGES, f"{boundary}/{currency}", tenant_id, currency, boundary
        )
        nets = [one.charge.net for one in charges if one.currency == currency]
        await store.book(unit.db, cause, of_charges(nets), unit.now)


async def _issue(
    tenant: BilledTenant, document_id: str, boundary: date, draft: Draft, as_of: datetime, unit: Unit
) -> None:  # fmt: skip
    original = draft.corrects
    found, sums = await tax_document(unit.db, tenant, draft, boundary, as_of)
    series = series_of(tenant.country)
    n = await sql.next_number(unit.db, series=series, year=boundary.year)
    issued = InvoiceIssued(
        invoice_id=document_id, number=number(boundary.year, n, series), date=boundary, due=due_date(boundary),
        tipo_documento=draft.type, currency=draft.currency, reseller_id=tenant.reseller_id, lines=found,
        totals=sums,
        corrects=InvoiceReference(number=original.number, date=original.issued_on) if original else None,
    )  # fmt: skip
    await sql.add_invoice(
        unit.db, id=document_id, tenant_id=tenant.id, boundary=boundary, issued_on=boundary, number=issued.number,
        tipo=draft.type, corrects=original.id if original else None, document=issued.model_dump(mode="json"),
    )  # fmt: skip
    await store.add_charges(unit.db, document_id, tenant.id, draft.ledger)
    cause = BookedFor(CauseKind.DOCUMENT, document_id, tenant.id, draft.currency, boundary)
    await store.book(unit.db, cause, of_document(issued), unit.now)
    unit.publish(issued, subject=tenant.id)
    await accrue_commission(tenant, issued, draft.dated(boundary), as_of, unit)
    if original is None:
        after_due = midnight(issued.due + timedelta(days=1), tenant.zone)
        unit.enqueue(overdue, TellOverdue(invoice_id=document_id), at=after_due, key=document_id)
    else:
        await note_paid(await sql.lock_invoice(unit.db, name=original.id), boundary, unit)
    metrics.INVOICES.inc()
