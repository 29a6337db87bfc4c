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
    ats: Sequence[datetime], levels: Sequence[Decimal], before: Decimal, start: datetime, end: datetime
) -> Fraction:  # fmt: skip
    """Levels times the microseconds for which each held in `[start, end)`, exactly.

    From each instant of `ats` on, which are in order, one of `levels` holds; `before` is the one that held at `start` (0 for
    a meter without earlier samples).
    """
    level, since, area = before, start, Decimal(0)
    with exactly():  # some months of the largest level have fewer digits than that; a fraction would be five times slower
        for at, following in zip(ats, levels, strict=True):
            area += level * ((at - since) // _MICROSECOND)
            level, since = following, at
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
    ats, levels = [one.at for one in samples], [one.quantity or Decimal(0) for one in samples]
    return rounded(average(level_time(ats, levels, before, start, end), start, end), decimals)
