"""Issue what tenants owe at a boundary: their documents, in one transaction that holds these tenants alone.

A service's first boundary is the day it starts (fees in advance and set-up), then the first day of each civil month, on
which all services of a tenant share their documents. A run is finalised some hours later (grace), so that late usage and
late facts of the boundary's eve are in it; the documents carry the boundary's date. What comes after that instant is left
for the next run, however late this one is: the documents are the same whenever they are made, and whoever's runs are made
beside them.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from services.billing.usecases.accrue_commission import Earnings, accrue_commissions
from services.billing.usecases.charge_tenant import charge_tenants
from services.billing.usecases.plan_invoice import plan_run
from services.billing.usecases.record_payment import note_paid
from services.billing.usecases.services_in_time import TenantRun
from services.billing.usecases.tax_document import TaxedDraft, tax_drafts
from services.chassis.unit import Unit


def invoice_id(tenant_id: str, boundary: date, *more: str) -> str:
    """The same document of the same run has the same id."""
    return str(
        uuid5(NAMESPACE_OID, "|".join(("vicino", "invoice", tenant_id, str(boundary), *more)))
    )


@dataclass(frozen=True, slots=True)
class IssuedRuns:
    """Runs that are done: up to when what was stored counted in each."""

    own: datetime | None
    """None: the run that was asked for was done before."""
    beside: Mapping[str, datetime]
    """Those that were made beside it, by tenant."""


async def issue_invoices(
    tenant_id: str, boundary: date, grace_hours: int, unit: Unit, beside: int = 0
) -> IssuedRuns:
    """Make and issue the documents of a tenant and boundary, if that was not done before. No charges: no document.

    At most so many other tenants' runs of the boundary that are due are made `beside` it, in the same statements. One that
    cannot be made is left as it was, for its own job; what cannot be made of the tenant that was asked for is raised.
    """
    tenant = await store.lock_tenant(unit.db, tenant_id)
    await plan_run(tenant, boundary, grace_hours, unit.now, unit)
    as_of = await sql.hold_open_run(unit.db, tenant_id=tenant_id, boundary=boundary)
    if as_of is None:
        return IssuedRuns(None, {})
    others = await _runs_beside(tenant_id, boundary, unit, beside) if beside else []
    runs = [TenantRun(tenant, as_of), *others]
    charged = await charge_tenants(unit.db, runs, boundary)
    if isinstance(failed := charged[tenant_id], Exception):
        raise failed
    sound = {who: charges for who, charges in charged.items() if not isinstance(charges, Exception)}
    done = [run for run in runs if run.tenant.id in sound]
    await _issue(done, sound, boundary, unit)
    await _close(done, boundary, unit)
    return IssuedRuns(
        as_of, {run.tenant.id: run.as_of for run in done if run.tenant.id != tenant_id}
    )


async def _runs_beside(tenant_id: str, boundary: date, unit: Unit, limit: int) -> list[TenantRun]:
    """Runs that are due and that nobody else is making: their tenants are held, without waiting for any."""
    as_of = await store.hold_runs_beside(unit.db, tenant_id, boundary, unit.now, limit)
    tenants = await store.lock_free_tenants(unit.db, list(as_of)) if as_of else []
    return [TenantRun(tenant, as_of[tenant.id]) for tenant in tenants]


async def _close(runs: Sequence[TenantRun], boundary: date, unit: Unit) -> None:
    """What is stored from now on is for the next run."""
    tenants = [run.tenant.id for run in runs]
    await sql.close_runs(unit.db, tenants=tenants, boundary=boundary)
    if boundary.day != 1:
        return
    await sql.forget_dirty(unit.db, tenants=tenants, before=boundary)
    ends = [midnight(boundary, run.tenant.zone) for run in runs]
    await sql.close_until(unit.db, tenants=tenants, instants=ends)
    for tenant in tenants:
        waits_for = run_key(tenant, boundary)
        unit.enqueue(count_waiting, CountWaiting(waits_for=waits_for), key=waits_for)


@dataclass(frozen=True, slots=True)
class _Document:
    """A document to be issued, and the draft it was."""

    run: TenantRun
    draft: Draft
    issued: InvoiceIssued


async def _issue(
    runs: Sequence[TenantRun], charged: Mapping[str, Sequence[ServiceCharge]], boundary: date, unit: Unit
) -> None:  # fmt: skip
    drafts: list[tuple[TenantRun, Draft]] = []
    for run in runs:
        charges = charged[run.tenant.id]
        is_credited = any(one.charge.net < 0 for one in charges)
        originals = await store.originals(unit.db, run.tenant.id) if is_credited else []
        made = documents(charges, originals)
        drafts += [(run, draft) for draft in made.drafts]
        await _keep_unbilled(run.tenant.id, boundary, made.unbilled, unit)
        if made.unbilled and not made.drafts:
            unit.publish(
                InvoiceSkipped(boundary=boundary, charges=len(made.unbilled)), subject=run.tenant.id
            )
    taxed = await tax_drafts(unit.db, drafts, boundary)
    found = [one async for one in _numbered(drafts, taxed, boundary, unit)]
    if found:
        await _keep(found, boundary, unit)


async def _keep_unbilled(
    tenant_id: str, boundary: date, charges: Sequence[ServiceCharge], unit: Unit
) -> None:
    """Charges that cancel each other out are kept and booked, though no document shows them."""
    if not charges:
        return
    await store.add_charges(unit.db, [(None, tenant_id, one) for one in charges])
    for currency in sorted({one.currency for one in charges}):
        cause = BookedFor(
            CauseKind.CHARGES, f"{boundary}/{currency}", tenant_id, currency, boundary
        )
        nets = [one.charge.net for one in charges if one.currency == currency]
        await store.book(unit.db, [(cause, of_charges(nets))], unit.now)


async def _numbered(
    drafts: Sequence[tuple[TenantRun, Draft]], taxed: Sequence[TaxedDraft], boundary: date, unit: Unit
) -> AsyncIterator[_Document]:  # fmt: skip
    """Documents with their numbers, without gaps: they are lost if the transaction is."""
    wanted: dict[str, int] = {}
    for run, _ in drafts:
        series = series_of(run.tenant.country)
        wanted[series] = wanted.get(series, 0) + 1
    numbers: dict[str, Iterator[int]] = {}
    for series in sorted(wanted):  # in order, so that nobody deadlocks
        last = await sql.take_numbers(unit.db, series=series, year=boundary.year, n=wanted[series])
        numbers[series] = iter(range(last - wanted[series] + 1, last + 1))
    of_tenant: dict[str, int] = {}
    for (run, draft), (lines, totals) in zip(drafts, taxed, strict=True):
        series, n = series_of(run.tenant.country), of_tenant.get(run.tenant.id, 0)
        of_tenant[run.tenant.id] = n + 1
        yield _Document(run, draft, InvoiceIssued(
            invoice_id=_document_id(run.tenant, boundary, draft, n), number=number(boundary.year, next(numbers[series]), series),
            date=boundary, due=due_date(boundary), tipo_documento=draft.type, currency=draft.currency,
            reseller_id=run.tenant.reseller_id, lines=lines, totals=totals,
            corrects=InvoiceReference(number=draft.corrects.number, date=draft.corrects.issued_on) if draft.corrects else None,
        ))  # fmt: skip


def _document_id(tenant: BilledTenant, boundary: date, draft: Draft, n: int) -> str:
    of = (draft.type, draft.currency, draft.corrects.id if draft.corrects else "")
    return invoice_id(tenant.id, boundary, *of[: 3 if n else 0])


async def _keep(found: Sequence[_Document], boundary: date, unit: Unit) -> None:
    """Keep, book and publish documents; what resellers earn of them; and when they are overdue."""
    await store.add_invoices(
        unit.db,
        [
            (one.run.tenant.id, boundary, one.issued, one.draft.corrects.id if one.draft.corrects else None)
            for one in found
        ],
    )  # fmt: skip
    await store.add_charges(
        unit.db,
        [(one.issued.invoice_id, one.run.tenant.id, charge) for one in found for charge in one.draft.ledger],
    )  # fmt: skip
    await store.book(unit.db, [(_cause(one), of_document(one.issued)) for one in found], unit.now)
    earnings = [
        Earnings(one.run.tenant, one.issued, one.draft.dated(boundary), one.run.as_of) for one in found
    ]  # fmt: skip
    for one in found:
        unit.publish(one.issued, subject=one.run.tenant.id)
    await accrue_commissions(earnings, unit)
    for one in found:
        if one.draft.corrects is None:
            after_due = midnight(one.issued.due + timedelta(days=1), one.run.tenant.zone)
            document = one.issued.invoice_id
            unit.enqueue(overdue, TellOverdue(invoice_id=document), at=after_due, key=document)
        else:
            original = await sql.lock_invoice(unit.db, name=one.draft.corrects.id)
            await note_paid(original, boundary, unit)
        metrics.INVOICES.inc()


def _cause(one: _Document) -> BookedFor:
    return BookedFor(
        CauseKind.DOCUMENT, one.issued.invoice_id, one.run.tenant.id, one.draft.currency, one.issued.date
    )  # fmt: skip
