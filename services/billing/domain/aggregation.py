"""How levels that hold until the next one become the quantity of a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

from services.billing.domain.money import PRECISION_DIGITS, exactly, tidy

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One counted event. `order` breaks ties between events of the same instant, the same way every time."""

    at: datetime
    order: str
    quantity: Decimal | None = None
    value: str | None = None


def level_time(
    samples: Sequence[Sample], before: Decimal, start: datetime, end: datetime
) -> Fraction:
    """Levels times the microseconds for which each held in `[start, end)`, exactly.

    `before` is the level that held at `start` (0 for a meter without earlier samples). Samples must be in order.
    """
    level, since, area = before, start, Decimal(0)
    with exactly():  # some months of the largest level have fewer digits than that; a fraction would be five times slower
        for sample in samples:
            area += level * ((sample.at - since) // _MICROSECOND)
            level, since = sample.quantity or Decimal(0), sample.at
        return Fraction(area + level * ((end - since) // _MICROSECOND))


def average(area: Fraction, start: datetime, end: datetime) -> Fraction:
    """The average level over `[start, end)`, exactly."""
    return area / ((end - start) // _MICROSECOND)


def rounded(exact: Fraction, decimals: int) -> Decimal:
    """An exact number, not below zero, rounded half up once: to `decimals` digits."""
    units = (2 * exact.numerator * 10**decimals + exact.denominator) // (2 * exact.denominator)
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return tidy(Decimal(units).scaleb(-decimals))


def time_weighted(
    samples: Sequence[Sample], before: Decimal, start: datetime, end: datetime, decimals: int
) -> Decimal:
    """The average level over `[start, end)`, each level holding until the next sample; rounded at the very end."""
    return rounded(average(level_time(samples, before, start, end), start, end), decimals)
