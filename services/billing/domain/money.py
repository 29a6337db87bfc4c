"""Money is `Decimal`, rounded half up (EN 16931, FatturaPA): never a float, never half even."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

CENT = Decimal("0.01")
UNIT_PRICE_STEP = Decimal("0.00000001")
"""FatturaPA's PrezzoUnitario has at most 8 decimals."""

PRECISION_DIGITS = 60
"""Enough for the product of two `numeric(38,12)`, exactly."""


QUANTITY_STEP = Decimal("0.00000001")
"""Documents show quantities to 8 decimals; amounts come from the exact quantity."""


def exactly() -> AbstractContextManager[Context]:
    """Arithmetic to so many digits that no rounding is felt in a result."""
    return localcontext(prec=PRECISION_DIGITS)


def half_up(amount: Decimal, step: Decimal = CENT) -> Decimal:
    """Round to a multiple of `step`, halves away from zero."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return amount.quantize(step, ROUND_HALF_UP)


def share(amount: Decimal, part: Decimal | int, whole: Decimal | int) -> Decimal:
    """`amount * part / whole`, to far more digits than any rounding that follows."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return amount * part / whole


def spread(exact: Sequence[Decimal], total: Decimal, step: Decimal = CENT) -> list[Decimal]:
    """Amounts of lines that sum to `total`, each the exact one rounded half up, or a step beside it.

    Steps over or short go to the lines that rounded most the other way, one each. What is left then is of earlier
    documents that were rounded by another rule; it stays as it is.
    """
    with exactly():
        nets = [half_up(amount, step) for amount in exact]
        short = int((total - sum(nets)) / step)
        sign = 1 if short > 0 else -1
        by_error = sorted(range(len(nets)), key=lambda n: (sign * (nets[n] - exact[n]), n))
        for n in by_error[: abs(short)]:
            nets[n] += sign * step
    return nets


def tidy(number: Decimal) -> Decimal:
    """The same number without trailing zeros behind the point."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        normal = number.normalize()
        return normal if int(normal.as_tuple().exponent) <= 0 else normal.quantize(Decimal(1))
