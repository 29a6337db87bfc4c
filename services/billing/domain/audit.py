"""What must agree in the books: the rules of an audit, each a comparison of two sides."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from schemas.billing import InvoiceIssued
from schemas.currencies import minor_unit
from services.billing.domain.documents import DocumentType
from services.billing.domain.ledger import (
    CauseKind,
    Transfer,
    of_commission,
    of_document,
)
from services.billing.domain.money import half_up
from services.billing.domain.receivables import Receivable


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """Two sides that do not agree, and where."""

    rule: str
    where: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class StoredCharge:
    """A charge as the books have it: what is given back is negative."""

    component: str
    quantity: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer as the ledger has it."""

    cause: CauseKind
    party: str
    transfer: Transfer


def lines_are_charges(
    document: InvoiceIssued, charges: Sequence[StoredCharge]
) -> Iterator[AuditDifference]:
    """Each line of a document is one charge, and each charge is on one line."""
    sign = -1 if document.tipo_documento == DocumentType.CREDIT_NOTE else 1
    said = [(line.sku, line.quantity, sign * line.net) for line in document.lines]
    kept = [(charge.component, charge.quantity, charge.net) for charge in charges]
    if said != kept:
        only_said, only_kept = Counter(said) - Counter(kept), Counter(kept) - Counter(said)
        yield AuditDifference(
            "lines = charges",
            document.number,
            _listed(only_kept) or "the same, in another order",
            _listed(only_said) or "the same, in another order",
        )


def totals_are_lines(document: InvoiceIssued) -> Iterator[AuditDifference]:
    """The sums of a document follow from its lines: net by rate, IVA once per rate."""
    step = minor_unit(document.currency)
    nets: dict[tuple[Decimal, str | None], Decimal] = {}
    for line in document.lines:
        key = (line.aliquota_iva, line.natura)
        nets[key] = nets.get(key, Decimal(0)) + line.net
    net = sum(nets.values(), Decimal(0))
    tax = sum((half_up(amount * rate / 100, step) for (rate, _), amount in nets.items()), Decimal(0))  # fmt: skip
    said = document.totals
    split = any(group.esigibilita == "S" for group in said.riepilogo)
    expected = (net, tax, net + tax, net if split else net + tax)
    actual = (said.imponibile, said.imposta, said.totale_documento, said.da_pagare)
    if expected != actual:
        yield AuditDifference("totals = lines", document.number, _spaced(expected), _spaced(actual))


def credits_fit(
    document: InvoiceIssued, credited: Sequence[InvoiceIssued]
) -> Iterator[AuditDifference]:
    """What credit notes give back of a document is at most what it asked for, with tax."""
    given = sum((note.totals.totale_documento for note in credited), Decimal(0))
    if given > document.totals.totale_documento:
        yield AuditDifference(
            "credits <= document", document.number, f"at most {document.totals.totale_documento}", str(given)
        )  # fmt: skip


def paid_is_noted(number: str, stands: Receivable, *, noted: bool) -> Iterator[AuditDifference]:
    """An invoice of which nothing is open is noted as paid. One that was paid may be open again: money went back."""
    if stands.open <= 0 and not noted and stands.asked > 0 and (stands.paid or stands.credited):
        yield AuditDifference(
            "receivable", number, "noted as paid", f"open {stands.open}, not noted"
        )


def ledger_is_document(
    issued: InvoiceIssued, earned: Mapping[str, Decimal], booked: Sequence[Booked]
) -> Iterator[AuditDifference]:
    """What was booked for a document follows from it, and from what each reseller earns of it."""
    tenant = [("", one) for one in of_document(issued)]
    resellers = [(who, one) for who, total in earned.items() for one in of_commission(total)]
    expected = Counter(map(_moved, tenant + resellers))
    actual = Counter(
        _moved((one.party if one.cause == CauseKind.COMMISSION else "", one.transfer))
        for one in booked
    )
    if expected != actual:
        yield AuditDifference(
            "ledger = document", issued.number, _moves(expected - actual), _moves(actual - expected)
        )


def accounts_agree(
    rule: str, expected: Mapping[str, Decimal], actual: Mapping[str, Decimal]
) -> Iterator[AuditDifference]:
    """Balances by name: an account that is missing comes to 0."""
    for name in sorted(expected.keys() | actual.keys()):
        should, does = expected.get(name, Decimal(0)), actual.get(name, Decimal(0))
        if should != does:
            yield AuditDifference(rule, name, str(should), str(does))


def numbers_have_no_gap(numbers: Mapping[str, Sequence[int]]) -> Iterator[AuditDifference]:
    """The numbers of each series and year are 1, 2, 3 ..."""
    for series, found in numbers.items():
        for before, after in pairwise([0, *sorted(found)]):
            if after != before + 1:
                yield AuditDifference("numbers", series, str(before + 1), str(after))


def _listed(found: Counter[tuple[str, Decimal, Decimal]]) -> str:
    return ", ".join(f"{component} {quantity}: {net}" for component, quantity, net in sorted(found))


def _spaced(amounts: Sequence[Decimal]) -> str:
    return " ".join(map(str, amounts))


def _moved(one: tuple[str, Transfer]) -> tuple[str, str, str, Decimal]:
    party, transfer = one
    return party, transfer.debit, transfer.credit, transfer.amount


def _moves(found: Counter[tuple[str, str, str, Decimal]]) -> str:
    return ", ".join(f"{party} {debit} from {credit}: {amount}".strip()
                     for party, debit, credit, amount in sorted(found)) or "nothing"  # fmt: skip
