"""Currencies, by the digits of their minor unit (ISO 4217): every amount that is billed is a multiple of it."""

from decimal import Decimal

MINOR_DIGITS = (
    dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0)
    | dict.fromkeys(
        ("AED", "ALL", "ARS", "AUD", "BAM", "BGN", "BRL", "CAD", "CHF", "CNY", "COP"), 2
    )
    | dict.fromkeys(
        ("CZK", "DKK", "EGP", "EUR", "GBP", "GEL", "HKD", "HUF", "IDR", "ILS", "INR"), 2
    )
    | dict.fromkeys(
        ("KES", "MAD", "MDL", "MKD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP"), 2
    )
    | dict.fromkeys(
        ("PLN", "QAR", "RON", "RSD", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH"), 2
    )
    | dict.fromkeys(("USD", "UYU", "ZAR"), 2)
    | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
)
"""The currencies a catalogue may have."""

USUAL_DIGITS = 2


def minor_unit(currency: str) -> Decimal:
    """The smallest amount there is: 0.01 for the euro, 1 for the yen, 0.001 for the dinar."""
    return Decimal(1).scaleb(-MINOR_DIGITS.get(currency, USUAL_DIGITS))
