"""The ledger: each transfer moves money from one account to another, so no entry can be out of balance.

A document is booked in full when it is issued, money when it is recorded, a reseller's share when it is earned and when
it vests. Each account is kept by party: a tenant or a reseller.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from schemas.billing import InvoiceIssued, SettlementIssued
from services.billing.domain.documents import DocumentType


class LedgerAccount(StrEnum):
    """The accounts. A debit raises what is owned or spent, a credit what is owed or earned."""

    UNBILLED = "unbilled"
    """Charges that are on no document yet."""
    RECEIVABLE = "receivable"
    """What a tenant has still to pay."""
    BANK = "bank"
    REVENUE = "revenue"
    VAT = "vat"
    """IVA that is owed to the state."""
    STAMP = "stamp"
    """Stamp duty that is owed to the state."""
    STAMP_COST = "stamp_cost"
    COMMISSION = "commission"
    """What resellers cost."""
    RESELLER_ACCRUED = "reseller_accrued"
    """What a reseller has earned and is on no statement yet."""
    RESELLER_PAYABLE = "reseller_payable"
    """What stands on a reseller's statements."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """An amount above 0, from the account that is credited to the one that is debited."""

    debit: LedgerAccount
    credit: LedgerAccount
    amount: Decimal


class CauseKind(StrEnum):
    """What makes money move."""

    CHARGES = "charges"
    """Charges on no document; the id is `boundary/currency`."""
    DOCUMENT = "document"
    PAYMENT = "payment"
    COMMISSION = "commission"
    """What a reseller earns of a document; the id is the document's."""
    SETTLEMENT = "settlement"
    """The id is `quarter/currency`."""


@dataclass(frozen=True, slots=True)
class BookedFor:
    """What transfers are booked for; each (kind, id, party) is booked once."""

    kind: CauseKind
    id: str
    party: str
    currency: str
    booked_on: date


def move(debit: LedgerAccount, credit: LedgerAccount, amount: Decimal) -> tuple[Transfer, ...]:
    """A transfer; below 0, the other way round; of 0, none."""
    if amount < 0:
        return (Transfer(credit, debit, -amount),)
    return (Transfer(debit, credit, amount),) if amount else ()


def of_charges(nets: Iterable[Decimal]) -> tuple[Transfer, ...]:
    """Charges that cancel each other out, and are on no document: what is due, and what is given back."""
    found = list(nets)
    due = sum((net for net in found if net > 0), Decimal(0))
    back = sum((net for net in found if net < 0), Decimal(0))
    return (
        *move(LedgerAccount.UNBILLED, LedgerAccount.REVENUE, due),
        *move(LedgerAccount.UNBILLED, LedgerAccount.REVENUE, back),
    )


def of_document(issued: InvoiceIssued) -> tuple[Transfer, ...]:
    """An invoice: its charges, what the tenant owes, IVA, stamp duty. A credit note: all of it the other way round.

    With split payment the tenant owes no IVA, and neither do we.
    """
    sign = -1 if issued.tipo_documento == DocumentType.CREDIT_NOTE else 1
    sums = issued.totals
    return (
        *move(LedgerAccount.UNBILLED, LedgerAccount.REVENUE, sign * sums.imponibile),
        *move(LedgerAccount.RECEIVABLE, LedgerAccount.UNBILLED, sign * sums.imponibile),
        *move(
            LedgerAccount.RECEIVABLE, LedgerAccount.VAT, sign * (sums.da_pagare - sums.imponibile)
        ),
        *move(LedgerAccount.STAMP_COST, LedgerAccount.STAMP, sums.bollo_virtuale or Decimal(0)),
    )


def of_payment(amount: Decimal) -> tuple[Transfer, ...]:
    """Money that came for an invoice; below 0: that went back."""
    return move(LedgerAccount.BANK, LedgerAccount.RECEIVABLE, amount)


def of_commission(total: Decimal) -> tuple[Transfer, ...]:
    """What a reseller earns of a document; below 0: what a credit note takes back."""
    return move(LedgerAccount.COMMISSION, LedgerAccount.RESELLER_ACCRUED, total)


def of_settlement(statement: SettlementIssued) -> tuple[Transfer, ...]:
    """What vested becomes payable. An agent owes nothing back: what its statement falls below zero is our cost."""
    forgiven = statement.due + statement.carried_out - statement.carried_in - statement.vested
    return (
        *move(LedgerAccount.RESELLER_ACCRUED, LedgerAccount.RESELLER_PAYABLE, statement.vested),
        *move(LedgerAccount.COMMISSION, LedgerAccount.RESELLER_PAYABLE, forgiven),
    )


def balance(transfers: Iterable[Transfer], account: LedgerAccount) -> Decimal:
    """What was debited of an account, less what was credited."""
    signs = (
        one.amount if one.debit is account else -one.amount
        for one in transfers
        if account in (one.debit, one.credit)
    )
    return sum(signs, Decimal(0))
