"""IVA: rates are data with validity. Legal references change with the Testo unico on 2027-01-01; rates need not."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in per cent, valid on `[valid_from, valid_to)`."""

    percent: Decimal
    valid_from: date
    valid_to: date | None


ORDINARY = (Rate(Decimal("22.00"), date(2013, 10, 1), None),)
"""The ordinary rate: 22 % since 2013-10-01 (art. 16 D.P.R. 633/72 as amended)."""


def ordinary_rate(day: date) -> Decimal:
    """The ordinary rate on a day. Raises `LookupError` for a day no row covers."""
    for rate in ORDINARY:
        if rate.valid_from <= day and (rate.valid_to is None or day < rate.valid_to):
            return rate.percent
    raise LookupError(f"no ordinary IVA rate is known for {day}")
