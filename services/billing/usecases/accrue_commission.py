"""Accrue what resellers earn of documents, in the transaction that issues them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from schemas.billing import CommissionAccrued, CommissionLine, InvoiceIssued
from schemas.currencies import minor_unit
from services.billing import store
from services.billing.domain.commission import (
    Assignment,
    Commission,
    CommissionableLine,
    Contract,
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
from services.chassis.database import Connection
from services.chassis.unit import Unit


@dataclass(frozen=True, slots=True)
class Earnings:
    """A document of which resellers earn, and the terms that count.

    `earned_on` is the document's date; of a credit note, that of the invoice it credits: what was earned by one contract is
    taken back by the same. What was told after `as_of` does not count.
    """

    tenant: BilledTenant
    issued: InvoiceIssued
    earned_on: date
    as_of: datetime

    @property
    def lines(self) -> list[CommissionableLine]:
        """What earns. What a credit note gives back is negative."""
        sign = -1 if self.issued.tipo_documento == DocumentType.CREDIT_NOTE else 1
        return [
            CommissionableLine(line.n, Days(line.period_from, line.period_to + timedelta(days=1)), sign * line.net)
            for line in self.issued.lines if line.commissionable
        ]  # fmt: skip


async def accrue_commissions(documents: Sequence[Earnings], unit: Unit) -> None:
    """Save, book and publish what each reseller earns of each document."""
    found = [
        (one, earned)
        for one, all_earned in zip(documents, await earned_of(unit.db, documents), strict=True)
        for earned in all_earned
    ]
    if not found:
        return
    await store.add_commissions(unit.db, [(one.issued.invoice_id, earned) for one, earned in found])
    await store.book(unit.db, [
        (BookedFor(CauseKind.COMMISSION, one.issued.invoice_id, earned.reseller_id, one.issued.currency, one.issued.date),
         of_commission(earned.total))
        for one, earned in found
    ], unit.now)  # fmt: skip
    for one, earned in found:
        unit.publish(_fact(one.issued, earned), subject=one.tenant.id)


async def earned_of(db: Connection, documents: Sequence[Earnings]) -> list[list[Commission]]:
    """What resellers earn of the commissionable lines of each document, by their contracts of a day."""
    asked = list(
        {one.tenant.id: store.AsOf(one.tenant.id, one.as_of) for one in documents}.values()
    )
    assignments = await store.assignments(db, asked)
    starts = await store.first_starts(db, [one.id for one in asked])
    sellers = [
        store.AsOf(assigned.reseller_id, one.as_of) for one in asked for assigned in assignments[one.id]
    ]  # fmt: skip
    contracts = await store.contracts_of(db, list(dict.fromkeys(sellers)))
    return [
        _earned(one, assignments[one.tenant.id], starts.get(one.tenant.id), contracts) for one in documents
    ]  # fmt: skip


def _earned(
    one: Earnings, assignments: Sequence[Assignment], first_start: datetime | None,
    contracts: Mapping[store.AsOf, Sequence[Contract]],
) -> list[Commission]:  # fmt: skip
    lines = one.lines
    if not lines or not assignments or first_start is None:
        return []
    first_year = is_first_year(civil_day(first_start, one.tenant.zone), one.earned_on)
    step = minor_unit(one.issued.currency)
    found = []
    for reseller_id, own in lines_of(assignments, lines).items():
        contract = contract_on(contracts[store.AsOf(reseller_id, one.as_of)], one.earned_on)
        if contract is not None:
            found.append(commission(reseller_id, contract, own, first_year=first_year, step=step))
    return found


def _fact(issued: InvoiceIssued, earned: Commission) -> CommissionAccrued:
    lines = [
        CommissionLine(n=line.n, net=half_up(line.net, UNIT_PRICE_STEP), base_commission=line.base,
                       uplift_commission=line.uplift)
        for line in earned.lines
    ]  # fmt: skip
    return CommissionAccrued(
        invoice_id=issued.invoice_id, number=issued.number, date=issued.date, reseller_id=earned.reseller_id,
        model=earned.contract.model, currency=issued.currency, rate_percent=earned.contract.rate_percent,
        uplift_percent=earned.uplift_percent, net=half_up(earned.net, UNIT_PRICE_STEP), base_commission=earned.base,
        uplift_commission=earned.uplift, total=earned.total, lines=tuple(lines),
    )  # fmt: skip
