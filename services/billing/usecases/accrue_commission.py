"""Accrue what resellers earn of a document, in the transaction that issues it."""

from datetime import date, datetime, timedelta

from schemas.billing import CommissionAccrued, CommissionLine, InvoiceIssued
from schemas.currencies import minor_unit
from services.billing import store
from services.billing.domain.commission import (
    Commission,
    CommissionableLine,
    commission,
    contract_on,
    is_first_year,
    lines_of,
)
from services.billing.domain.documents import DocumentType
from services.billing.domain.ledger import BookedFor, CauseKind, of_commission
from services.billing.domain.model import BilledTenant
from services.billing.domain.money import UNIT_PRICE_STEP, half_up
from services.billing.domain.periods import Days, civil_day
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.unit import Unit


async def accrue_commission(
    tenant: BilledTenant, issued: InvoiceIssued, earned_on: date, as_of: datetime, unit: Unit
) -> None:
    """Save and publish what each reseller earns of a document."""
    for earned in await earned_of(unit.db, tenant, issued, earned_on, as_of):
        await _save(tenant, issued, earned, unit)


async def earned_of(
    db: Connection, tenant: BilledTenant, issued: InvoiceIssued, earned_on: date, as_of: datetime
) -> list[Commission]:
    """What each reseller earns of a document's commissionable lines, by its contract of a day.

    `earned_on` is the document's date; of a credit note, that of the invoice it credits: what was earned by one contract is
    taken back by the same. What was told after `as_of` does not count.
    """
    sign = -1 if issued.tipo_documento == DocumentType.CREDIT_NOTE else 1
    lines = [
        CommissionableLine(line.n, Days(line.period_from, line.period_to + timedelta(days=1)), sign * line.net)
        for line in issued.lines if line.commissionable
    ]  # fmt: skip
    assignments = await store.assignments(db, tenant.id, as_of)
    if not lines or not assignments:
        return []
    started = civil_day(await sql.first_start(db, tenant_id=tenant.id), tenant.zone)
    first_year, step = is_first_year(started, earned_on), minor_unit(issued.currency)
    found = []
    for reseller_id, own in lines_of(assignments, lines).items():
        contract = contract_on(await store.contracts(db, reseller_id, as_of), earned_on)
        if contract is not None:
            found.append(commission(reseller_id, contract, own, first_year=first_year, step=step))
    return found


async def _save(
    tenant: BilledTenant, issued: InvoiceIssued, earned: Commission, unit: Unit
) -> None:
    await sql.add_commission(
        unit.db, invoice_id=issued.invoice_id, reseller_id=earned.reseller_id, lines=[line.n for line in earned.lines],
        nets=[line.net for line in earned.lines], bases=[line.base for line in earned.lines],
        uplifts=[line.uplift for line in earned.lines],
    )  # fmt: skip
    total = earned.base + earned.uplift
    cause = BookedFor(
        CauseKind.COMMISSION, issued.invoice_id, earned.reseller_id, issued.currency, issued.date
    )
    await store.book(unit.db, cause, of_commission(total), unit.now)
    lines = [
        CommissionLine(n=line.n, net=half_up(line.net, UNIT_PRICE_STEP), base_commission=line.base,
                       uplift_commission=line.uplift)
        for line in earned.lines
    ]  # fmt: skip
    unit.publish(
        CommissionAccrued(
            invoice_id=issued.invoice_id, number=issued.number, date=issued.date, reseller_id=earned.reseller_id,
            model=earned.contract.model, currency=issued.currency, rate_percent=earned.contract.rate_percent,
            uplift_percent=earned.uplift_percent, net=half_up(earned.net, UNIT_PRICE_STEP), base_commission=earned.base,
            uplift_commission=earned.uplift, total=total, lines=tuple(lines),
        ),
        subject=tenant.id,
    )  # fmt: skip
