"""From the charges of a run to its documents: what is due, and credit notes where more is given back than is due.

Fewer ordered units are storno lines on the next invoice. Usage that comes to less than was billed of it is credited: a
credit note (TD04) for each document that billed it, with positive amounts. Where the lines of an invoice would still sum
to less than zero, it is split in the same way: an invoice of what is due, if anything, and credit notes. Lines that sum to
zero make no document.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.tenant_caps import TENANT_CAP


class DocumentType(StrEnum):
    """FatturaPA's TipoDocumento."""

    INVOICE = "TD01"
    CREDIT_NOTE = "TD04"


@dataclass(frozen=True, slots=True)
class ServiceCharge:
    """A charge, and the service it is for."""

    service_id: str
    charge: Charge
    currency: str

    @property
    def billing(self) -> "Billing":
        """What it bills, or credits."""
        return Billing(
            self.service_id, self.charge.component, self.charge.days.start.replace(day=1)
        )


class Billing(NamedTuple):
    """A component of a service, in a month: what a document billed, or what is to be credited."""

    service_id: str
    component: str
    month: date


@dataclass(frozen=True, slots=True)
class Original:
    """An issued invoice that can be credited: how much of it is left, and what it billed."""

    id: str
    number: str
    issued_on: date
    currency: str
    left: Decimal
    billed: frozenset["Billing"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to be issued. A credit note's charges are positive, as its lines are."""

    type: DocumentType
    currency: str
    charges: tuple[ServiceCharge, ...]
    corrects: Original | None = None

    def dated(self, boundary: date) -> date:
        """The day whose tax and contracts count: its own; of a credit note, that of the invoice it credits."""
        return self.corrects.issued_on if self.corrects else boundary

    @property
    def ledger(self) -> tuple[ServiceCharge, ...]:
        """Its charges as the ledger has them: what is given back is negative."""
        if self.type is DocumentType.INVOICE:
            return self.charges
        return tuple(_turned(one) for one in self.charges)


def _turned(one: ServiceCharge) -> ServiceCharge:
    charge = replace(one.charge, net=-one.charge.net, unit_price=-one.charge.unit_price)
    return replace(one, charge=charge)


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """What a run issues, and the charges that are on no document."""

    drafts: tuple[Draft, ...]
    unbilled: tuple[ServiceCharge, ...]


def documents(charges: Sequence[ServiceCharge], originals: Sequence[Original]) -> RunDocuments:
    """The documents of a run. `originals` are the tenant's invoices, newest first."""
    drafts: list[Draft] = []
    unbilled: list[ServiceCharge] = []
    for currency in dict.fromkeys(one.currency for one in charges):
        own = [one for one in charges if one.currency == currency]
        due, credits = _split(own)
        if _total(due) > 0:
            drafts.append(Draft(DocumentType.INVOICE, currency, tuple(due)))
        else:
            unbilled += due
        drafts += credit_notes(
            credits, [one for one in originals if one.currency == currency], currency
        )
    return RunDocuments(tuple(drafts), tuple(unbilled))


def _split(charges: Sequence[ServiceCharge]) -> tuple[list[ServiceCharge], list[ServiceCharge]]:
    """What is due, and what is credited. What is due never sums to less than zero."""
    settled: dict[tuple[str, str, date], Decimal] = {}
    for one in charges:
        settled[_together(one)] = settled.get(_together(one), Decimal(0)) + one.charge.net
    credits = [
        one for one in charges
        if one.charge.kind in (ChargeKind.USAGE, ChargeKind.CAP) and one.charge.net < 0 and settled[_together(one)] < 0
    ]  # fmt: skip
    due = [one for one in charges if one not in credits]
    if _total(due) < 0:
        credits += [one for one in due if one.charge.net < 0]
        due = [one for one in due if one.charge.net >= 0]
    return due, credits


def _together(one: ServiceCharge) -> tuple[str, str, date]:
    """What is settled together: the usage of a component and month, or of all that a cap bounds, of all services even."""
    if one.charge.cap == TENANT_CAP:
        return "", TENANT_CAP, one.charge.days.start
    return one.service_id, one.charge.cap or one.charge.component, one.charge.days.start


def _total(charges: Iterable[ServiceCharge]) -> Decimal:
    return sum((one.charge.net for one in charges), Decimal(0))


def credit_notes(
    credits: Iterable[ServiceCharge], originals: Sequence[Original], currency: str
) -> list[Draft]:
    """A credit note for each document that is credited; none is credited with more than is left of it.

    A credit goes to the newest document that billed its component for that month and has enough left, else in parts to
    those that have some left: of these first to those that billed the component.
    """
    left = {original.id: original.left for original in originals}
    found: dict[str, list[ServiceCharge]] = {}
    for one in credits:
        for original_id, piece in _placed(one, originals, left):
            left[original_id] += piece.net
            found.setdefault(original_id, []).append(_turned(replace(one, charge=piece)))
    return [
        Draft(DocumentType.CREDIT_NOTE, currency, tuple(found[original.id]), original)
        for original in originals
        if original.id in found
    ]


class NothingToCredit(RuntimeError):
    """More is to be given back than was ever billed: a defect of this program."""


def _placed(
    one: ServiceCharge, originals: Sequence[Original], left: dict[str, Decimal]
) -> list[tuple[str, Charge]]:
    """The documents that a credit goes to, each with its part of the charge."""
    amount = -one.charge.net
    by_fit = sorted(originals, key=lambda original: _fit(one, original))
    for original in by_fit:
        if _fit(one, original) < _NOT_AT_ALL and left[original.id] >= amount:
            return [(original.id, one.charge)]
    parts: list[tuple[str, Charge]] = []
    for original in by_fit:
        part = min(amount, left[original.id])
        if part > 0:
            parts.append((original.id, _part(one.charge, part, is_first=not parts)))
            amount -= part
    if amount > 0:
        raise NothingToCredit(f"{one.charge.component}: {amount} more than was billed")
    return parts


_NOT_AT_ALL = 2


def _fit(one: ServiceCharge, original: Original) -> int:
    """0: the document billed this; 1: it billed this component, for other months; else it did not bill it.

    What a cap takes off was billed as something else of the same service and month.
    """
    billing = one.billing
    if billing in original.billed:
        return 0
    if one.charge.kind is ChargeKind.CAP:
        months = {(other.service_id, other.month) for other in original.billed}
        return 0 if (billing.service_id, billing.month) in months else _NOT_AT_ALL
    named = {(one.service_id, one.component) for one in original.billed}
    return 1 if (billing.service_id, billing.component) in named else _NOT_AT_ALL


def _part(charge: Charge, amount: Decimal, *, is_first: bool) -> Charge:
    """A part of a credit by its amount; the units are noted once."""
    return replace(
        charge, quantity=Decimal(1), unit_price=-amount, net=-amount,
        units_billed=charge.units_billed if is_first else Decimal(0),
    )  # fmt: skip
