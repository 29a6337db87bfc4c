"""How an SME reads numbers and dates: 1.234,56 and 31/12/2026."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

ROME = ZoneInfo("Europe/Rome")


def amount(value: str | Decimal) -> str:
    """An amount with its own decimals, at least two: `1.234,56`."""
    number = Decimal(value)
    decimals = max(2, -int(number.as_tuple().exponent))
    text = f"{number:,.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,"))


def quantity(value: str | Decimal) -> str:
    """A quantity with no more decimals than it has: `37,482`."""
    text = f"{Decimal(value):,f}"
    return text.translate(str.maketrans(",.", ".,"))


def moment(value: str | datetime) -> str:
    """`31/12/2026, 09:05`, by the clocks of Italy."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.astimezone(ROME):%d/%m/%Y, %H:%M}"


def day(value: str | date) -> str:
    """`31/12/2026`."""
    found = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{found:%d/%m/%Y}"
