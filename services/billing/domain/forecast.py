"""What a month will come to if it goes on as it began."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from schemas.catalogue import Aggregation
from services.billing.domain.charges import shown

GROWING = frozenset({Aggregation.SUM, Aggregation.COUNT, Aggregation.UNIQUE_COUNT})
"""What grows with time. A level, a highest, a lowest or a latest value stays as it is."""

AS_IT_IS = Fraction(1)

SOONEST = timedelta(days=3)
"""Earlier in a month nothing is foreseen: a busy first morning is no busy month."""


def pace(start: datetime, now: datetime, end: datetime) -> Fraction:
    """How many times as much a month comes to as it has come to by now; 1 in its first days."""
    if now - start < SOONEST or now >= end:
        return AS_IT_IS
    return Fraction((end - start) // timedelta(microseconds=1), (now - start) // timedelta(microseconds=1))  # fmt: skip


def projected(quantity: Decimal, times: Fraction) -> Decimal:
    """A quantity at a pace, to the decimals that documents show."""
    exact = Fraction(quantity) * times
    return shown(Decimal(exact.numerator) / Decimal(exact.denominator))
