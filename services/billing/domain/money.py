"""Money is `Decimal`, rounded half up (EN 16931, FatturaPA): never a float, never half even."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

CENT = Decimal("0.01")
UNIT_PRICE_STEP = Decimal("0.00000001")
"""FatturaPA's PrezzoUnitario has at most 8 decimals."""

PRECISION_DIGITS = 60
"""Enough for the product of two `numeric(38,12)`, exactly."""


def half_up(amount: Decimal, step: Decimal = CENT) -> Decimal:
    """Round to a multiple of `step`, halves away from zero."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return amount.quantize(step, ROUND_HALF_UP)


def share(amount: Decimal, part: int, whole: int) -> Decimal:
    """`amount * part / whole`, to far more digits than any rounding that follows."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return amount * part / whole


def tidy(number: Decimal) -> Decimal:
    """The same number without trailing zeros behind the point."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        normal = number.normalize()
        return normal if int(normal.as_tuple().exponent) <= 0 else normal.quantize(Decimal(1))
