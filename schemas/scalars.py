"""The small types every payload is made of: quantities, amounts, instants, identifiers.

Numbers travel as decimal strings, because a JSON number passes through a binary float in too many readers.
Instants carry a zone and are UTC inside. Text that PostgreSQL cannot store (NUL) or that Unicode forbids to
interchange (non-characters) is refused here, once, for every payload.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

QUANTITY_PATTERN = r"^-?[0-9]{1,26}(\.[0-9]{1,12})?$"
"""26 integer and 12 decimal digits fit `numeric(38,12)`; no exponent, sign `+`, blank, underscore or NaN."""

NON_NEGATIVE_PATTERN = r"^[0-9]{1,26}(\.[0-9]{1,12})?$"
AMOUNT_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,8})?$"
INSTANT_PATTERN = (
    r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,50})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
)
"""RFC 3339 with a zone; what is finer than a microsecond is cut off, for PostgreSQL keeps no more."""

TEXT_LENGTH_MAX = 2000

_FORBIDDEN_TEXT = re.compile(
    "[\x00\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane * 0x10000 + low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)


def holds_forbidden_text(text: str) -> bool:
    """Whether a text holds NUL or one of the 66 non-characters of Unicode; everything else may be stored and sent on."""
    return _FORBIDDEN_TEXT.search(text) is not None


def storable(text: str) -> str:
    """The text, if it may be stored. Raises `ValueError`."""
    if holds_forbidden_text(text):
        raise ValueError("text holds NUL or a Unicode non-character")
    return text


def _decimal(pattern: str) -> BeforeValidator:
    compiled = re.compile(pattern, re.ASCII)

    def read(value: Any) -> Decimal:
        if isinstance(value, Decimal) and value.is_finite():
            value = format(value, "f")
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError("must be a decimal number written as a string")
        return Decimal(value)

    return BeforeValidator(read)


def plain(number: Decimal) -> str:
    """A decimal as it travels: no exponent, every digit kept."""
    return format(number, "f")


_SECONDS = slice(17, 19)


def read_instant(value: Any) -> datetime:
    """An aware instant in UTC, from RFC 3339 text with a zone, cut to microseconds. Raises `ValueError`.

    A leap second is the last microsecond of its day: it must not move into the next day, month or year.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("time must carry a zone")
        return value.astimezone(UTC)
    if not isinstance(value, str) or not re.fullmatch(INSTANT_PATTERN, value, re.ASCII):
        raise ValueError("must be an RFC 3339 time with a zone")
    is_leap = value[_SECONDS] == "60"
    text = f"{value[:17]}59{value[19:]}" if is_leap else value
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("time is out of range") from None
    if not is_leap:
        return instant
    if (instant.hour, instant.minute) != (23, 59):
        raise ValueError("a leap second is at 23:59:60 UTC")
    return instant.replace(microsecond=999_999)


def rfc3339(instant: datetime) -> str:
    """An instant as it travels: UTC, `Z`, as many fractional digits as it has."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _decimal_type(pattern: str) -> Any:
    return (
        _decimal(pattern),
        PlainSerializer(plain, return_type=str),
        WithJsonSchema({"type": "string", "pattern": pattern}),
    )


Quantity = Annotated[Decimal, *_decimal_type(QUANTITY_PATTERN)]
NonNegativeQuantity = Annotated[Decimal, *_decimal_type(NON_NEGATIVE_PATTERN)]
Amount = Annotated[Decimal, *_decimal_type(AMOUNT_PATTERN)]
"""Money in the currency named beside it, or a unit price; up to 8 decimals, as FatturaPA's PrezzoUnitario."""

Instant = Annotated[
    datetime,
    BeforeValidator(read_instant),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
CivilDate = date
Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH_MAX), AfterValidator(storable)]
ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable)
]
KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
"""An identifier of our own or of a catalogue: SKU, meter, reseller id."""

NO_RESELLER = ("operator", "none")
"""What alerts and invoices of a tenant without a reseller say instead of one. No reseller may be called that."""


def _none_written_as(said: str) -> Any:
    return (
        BeforeValidator(lambda value: None if value in NO_RESELLER else value),
        PlainSerializer(lambda value: value or said, return_type=str),
        WithJsonSchema({"type": "string", "pattern": KEY_PATTERN}),
    )


ResellerOfAlert = Annotated[Key | None, *_none_written_as("operator")]
"""None for a tenant that has no reseller; in the event it is `operator`."""

ResellerOfInvoice = Annotated[Key | None, *_none_written_as("none")]
"""None for a tenant that has no reseller; in the event it is `none`."""

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Uuid = Annotated[str, StringConstraints(pattern=UUID_PATTERN)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Value(BaseModel):
    """A part of a payload. Unknown fields are ignored, so that a newer writer does not break an older reader."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, protected_namespaces=()
    )
