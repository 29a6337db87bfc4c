"""How levels that hold until the next one become the quantity of a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from services.billing.domain.money import PRECISION_DIGITS, half_up, tidy

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One counted event. `order` breaks ties between events of the same instant, the same way every time."""

    at: datetime
    order: str
    quantity: Decimal | None = None
    value: str | None = None


def time_weighted(samples: Sequence[Sample], before: Decimal, start: datetime, end: datetime, decimals: int) -> Decimal:
    """The average level over `[start, end)`, each level holding until the next sample.

    `before` is the level that held at `start` (0 for a meter without earlier samples). Exact to the microsecond;
    rounded half up to `decimals` digits at the very end. Samples must be in order of time.
    """
    level, since, area = before, start, Decimal(0)
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        for sample in samples:
            area += level * ((sample.at - since) // _MICROSECOND)
            level, since = sample.quantity or Decimal(0), sample.at
        area += level * ((end - since) // _MICROSECOND)
        average = area / ((end - start) // _MICROSECOND)
    return tidy(half_up(average, Decimal(1).scaleb(-decimals)))
