"""What is still to be paid of an invoice: what it asked for, less credit notes and payments."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class InvoiceState(StrEnum):
    """Where an invoice stands with its payments."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    OVERPAID = "overpaid"


@dataclass(frozen=True, slots=True)
class Receivable:
    """An invoice as whoever collects sees it."""

    asked: Decimal
    credited: Decimal
    paid: Decimal
    due: date

    @property
    def open(self) -> Decimal:
        """What is still to be paid; negative: what is to be paid back."""
        return self.asked - self.credited - self.paid

    def state(self, today: date) -> InvoiceState:
        """Overdue from the day after it was due."""
        if self.open < 0:
            return InvoiceState.OVERPAID
        if self.open == 0:
            return InvoiceState.PAID
        return InvoiceState.OVERDUE if today > self.due else InvoiceState.OPEN


def receivable(
    asked: Decimal, due: date, credited: Iterable[Decimal], paid: Iterable[Decimal]
) -> Receivable:
    """An invoice with its credit notes and payments."""
    return Receivable(asked, sum(credited, Decimal(0)), sum(paid, Decimal(0)), due)
