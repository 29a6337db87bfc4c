"""When what a reseller earned is its own, and what it is paid for a quarter.

A seller of its own (resale) earns when the document is issued, an agent when the SME has paid it in full. The uplift waits
for twelve paid months of the tenant. What a credit note takes back counts from the day on which both it and what it takes
back are there. An agent never pays back: what would be below zero is nothing. A seller's is carried over.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.billing.domain.commission import MONTHS_OF_FIRST_YEAR, ContractModel
from services.billing.domain.periods import Days, anchored

QUARTER = re.compile(r"(\d{4})-Q([1-4])")
MONTHS_OF_QUARTER = 3


class NoQuarter(ValueError):
    """A quarter is written as `2026-Q4`."""


def quarter_days(name: str) -> Days:
    """The civil days of a quarter. Raises `NoQuarter`."""
    found = QUARTER.fullmatch(name)
    if found is None or int(found[1]) == 0:
        raise NoQuarter("a quarter is written as 2026-Q4")
    start = date(int(found[1]), MONTHS_OF_QUARTER * (int(found[2]) - 1) + 1, 1)
    return Days(start, anchored(start, MONTHS_OF_QUARTER))


@dataclass(frozen=True, slots=True)
class EarnedDocument:
    """What a reseller earned of a document. Of a credit note, amounts are negative, and `paid_on` is that of its original."""

    number: str
    tenant_id: str
    issued_on: date
    currency: str
    model: ContractModel
    base: Decimal
    uplift: Decimal
    paid_on: date | None


@dataclass(frozen=True, slots=True)
class SettledLine:
    """What became a reseller's own on a day."""

    number: str
    tenant_id: str
    what: str
    """`commission`, or `first_year_uplift`."""
    vested_on: date
    amount: Decimal


def vested_on(document: EarnedDocument) -> date | None:
    """The day on which the share of a document is the reseller's own; None: not yet."""
    if document.model is ContractModel.RESALE:
        return document.issued_on
    return None if document.paid_on is None else max(document.paid_on, document.issued_on)


def twelfth_month(paid: Iterable[tuple[date, date]]) -> date | None:
    """The day on which the twelfth month of a tenant was paid; None: fewer are. `paid`: (issued, paid) of its invoices."""
    first: dict[date, date] = {}
    for issued_on, paid_on in paid:
        month = issued_on.replace(day=1)
        first[month] = max(paid_on, first.get(month, paid_on))
    days = sorted(first.values())
    return days[MONTHS_OF_FIRST_YEAR - 1] if len(days) >= MONTHS_OF_FIRST_YEAR else None


def settled(
    documents: Sequence[EarnedDocument], twelfth: dict[str, date | None], end: date, already: Container[tuple[str, str]]
) -> list[SettledLine]:  # fmt: skip
    """What vested before a day and is on no statement yet: a payment may be recorded late.

    `twelfth`: of each tenant, when its twelfth month was paid. `already`: (number, what) of issued statements.
    """
    found = []
    for document in documents:
        day, paid = vested_on(document), twelfth.get(document.tenant_id)
        later = None if day is None or paid is None else max(day, paid)
        for what, when, amount in (
            ("commission", day, document.base),
            ("first_year_uplift", later, document.uplift),
        ):
            is_new = (document.number, what) not in already
            if when is not None and amount and when < end and is_new:
                found.append(SettledLine(document.number, document.tenant_id, what, when, amount))
    return sorted(found, key=lambda line: (line.vested_on, line.number, line.what))


@dataclass(frozen=True, slots=True)
class Payout:
    """What a reseller is paid for a quarter: what vested, with what was carried over; and what is carried on."""

    vested: Decimal
    carried_in: Decimal
    due: Decimal
    carried_out: Decimal


def payout(vested: Decimal, carried_in: Decimal, model: ContractModel) -> Payout:
    """Never below zero. What is missing is carried on by a seller of its own; an agent owes nothing back."""
    whole = vested + carried_in
    due = max(Decimal(0), whole)
    carried = min(Decimal(0), whole) if model is ContractModel.RESALE else Decimal(0)
    return Payout(vested, carried_in, due, carried)
