"""From the charges of a run to its documents: what is due, and credit notes where more is given back than is due.

Fewer units are storno lines on the next invoice. Where the lines of an invoice would sum to less than zero, it is split:
an invoice of what is due, if anything, and a credit note (TD04) for each document that is credited, with positive amounts.
Lines that sum to zero make no document.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.billing.domain.charges import Charge


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


@dataclass(frozen=True, slots=True)
class Original:
    """An issued invoice that can be credited: how much of it is left, and what it billed (service, component)."""

    id: str
    number: str
    issued_on: date
    currency: str
    left: Decimal
    billed: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to be issued. A credit note's charges are positive, as its lines are."""

    type: DocumentType
    currency: str
    charges: tuple[ServiceCharge, ...]
    corrects: Original | None = None

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
        total = sum((one.charge.net for one in own), Decimal(0))
        if total == 0:
            unbilled += own
        elif total > 0:
            drafts.append(Draft(DocumentType.INVOICE, currency, tuple(own)))
        else:
            due = tuple(one for one in own if one.charge.net >= 0)
            if sum((one.charge.net for one in due), Decimal(0)) > 0:
                drafts.append(Draft(DocumentType.INVOICE, currency, due))
            else:
                unbilled += due
            credits = [one for one in own if one.charge.net < 0]
            drafts += credit_notes(
                credits, [one for one in originals if one.currency == currency], currency
            )
    return RunDocuments(tuple(drafts), tuple(unbilled))


def credit_notes(
    credits: Iterable[ServiceCharge], originals: Sequence[Original], currency: str
) -> list[Draft]:
    """A credit note for each document that is credited; none is credited with more than is left of it.

    A credit goes to the newest document that billed its component and has enough left, else in parts to those that have
    some left: of these first to those that billed it.
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
    name, amount = (one.service_id, one.charge.component), -one.charge.net
    fitting = [original for original in originals if name in original.billed]
    for original in fitting:
        if left[original.id] >= amount:
            return [(original.id, one.charge)]
    others = [original for original in originals if original not in fitting]
    parts: list[tuple[str, Charge]] = []
    for original in (*fitting, *others):
        part = min(amount, left[original.id])
        if part > 0:
            parts.append((original.id, _part(one.charge, part, is_first=not parts)))
            amount -= part
    if amount > 0:
        raise NothingToCredit(f"{one.charge.component}: {amount} more than was billed")
    return parts


def _part(charge: Charge, amount: Decimal, *, is_first: bool) -> Charge:
    """A part of a credit by its amount; the units are noted once."""
    return replace(
        charge, quantity=Decimal(1), unit_price=-amount, net=-amount,
        units_billed=charge.units_billed if is_first else Decimal(0),
    )  # fmt: skip
