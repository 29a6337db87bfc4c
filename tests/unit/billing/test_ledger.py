"""Transfers against accounts kept as signed sums: whatever is booked, both come to the same."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.billing import InvoiceIssued, SettlementIssued
from services.billing.domain.ledger import (
    LedgerAccount,
    Transfer,
    balance,
    of_charges,
    of_commission,
    of_document,
    of_payment,
    of_settlement,
)

amounts = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
stamps = st.sampled_from([None, Decimal("2.00")])
signed = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents).scaleb(-2))


def issued(
    tipo: str, net: Decimal, tax: Decimal, *, is_split: bool, stamp: Decimal | None
) -> InvoiceIssued:
    totals = {
        "riepilogo": [], "imponibile": net, "imposta": tax, "totale_documento": net + tax,
        "da_pagare": net if is_split else net + tax, "bollo_virtuale": stamp,
    }  # fmt: skip
    return InvoiceIssued.model_validate({
        "invoice_id": "11111111-1111-1111-1111-111111111111", "number": "2026/A/000001", "date": date(2026, 11, 1),
        "due": date(2026, 12, 1), "tipo_documento": tipo, "currency": "EUR", "reseller_id": None, "lines": [], "totals": totals,
        "corrects": None,
    })  # fmt: skip


def stated(
    vested: Decimal, carried_in: Decimal, due: Decimal, carried_out: Decimal
) -> SettlementIssued:
    return SettlementIssued.model_validate({
        "reseller_id": "VAR-A", "quarter": "2026-Q4", "currency": "EUR", "model": "agency", "lines": [], "vested": vested,
        "carried_in": carried_in, "due": due, "carried_out": carried_out,
    })  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(["TD01", "TD04"]), amounts, amounts, st.booleans(), stamps)),
    st.lists(signed), st.lists(signed), st.lists(signed),
)  # fmt: skip
def test_balances_are_what_was_said(
    documents: list[tuple[str, Decimal, Decimal, bool, Decimal | None]],
    payments: list[Decimal],
    commissions: list[Decimal],
    charges: list[Decimal],
) -> None:
    booked: list[Transfer] = []
    oracle: dict[LedgerAccount, Decimal] = defaultdict(Decimal)
    for tipo, net, tax, is_split, stamp in documents:
        booked += of_document(issued(tipo, net, tax, is_split=is_split, stamp=stamp))
        sign = -1 if tipo == "TD04" else 1
        oracle[LedgerAccount.REVENUE] -= sign * net
        oracle[LedgerAccount.VAT] -= 0 if is_split else sign * tax
        oracle[LedgerAccount.RECEIVABLE] += sign * (net if is_split else net + tax)
        oracle[LedgerAccount.STAMP] -= stamp or 0
        oracle[LedgerAccount.STAMP_COST] += stamp or 0
    for amount in payments:
        booked += of_payment(amount)
        oracle[LedgerAccount.BANK] += amount
        oracle[LedgerAccount.RECEIVABLE] -= amount
    for amount in commissions:
        booked += of_commission(amount)
        oracle[LedgerAccount.COMMISSION] += amount
        oracle[LedgerAccount.RESELLER_ACCRUED] -= amount
    booked += of_charges(charges)
    oracle[LedgerAccount.UNBILLED] += sum(charges)
    oracle[LedgerAccount.REVENUE] -= sum(charges)
    assert {account: balance(booked, account) for account in LedgerAccount} == {
        account: oracle[account] for account in LedgerAccount
    }
    assert all(one.amount > 0 and one.debit is not one.credit for one in booked)


@given(st.lists(st.tuples(signed, st.booleans()), min_size=1))
def test_statements_leave_payable_what_is_due_and_carried(
    quarters: list[tuple[Decimal, bool]],
) -> None:
    booked: list[Transfer] = []
    carried, owed, forgiven = Decimal(0), Decimal(0), Decimal(0)
    for vested, is_agent in quarters:
        whole = vested + carried
        due, rest = max(whole, Decimal(0)), min(whole, Decimal(0))
        out = Decimal(0) if is_agent else rest
        booked += of_settlement(stated(vested, carried, due, out))
        owed, carried = owed + due, out
        forgiven += -rest if is_agent else 0
    assert -balance(booked, LedgerAccount.RESELLER_PAYABLE) == owed + carried
    assert balance(booked, LedgerAccount.RESELLER_ACCRUED) == sum(vested for vested, _ in quarters)
    assert balance(booked, LedgerAccount.COMMISSION) == forgiven
