"""A quantity, an instant or a text is taken exactly or refused: nothing is rounded, guessed or read through a float."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.scalars import (
    NO_RESELLER,
    Instant,
    NonNegativeQuantity,
    Quantity,
    ResellerOfAlert,
    ResellerOfInvoice,
    Text,
    plain,
    rfc3339,
)

QUANTITY, NON_NEGATIVE = TypeAdapter(Quantity), TypeAdapter(NonNegativeQuantity)
INSTANT, TEXT = TypeAdapter(Instant), TypeAdapter(Text)

NO_QUANTITY = [
    '"NaN"', '"Infinity"', '"-Infinity"', '"1e400"', '"1e200000"', '"1E5"', '"1_000"', '" 1.5 "', '"+1"', '"١٢"', '""',
    '"1."', '".5"', '"1,5"', '"0x10"', '"1.1234567890123"', f'"{"9" * 27}"', f'"{"9" * 5000}"', "1", "1.5", "1e-400",
    "true", "null", '"1\\n"',
]  # fmt: skip
NO_INSTANT = [
    '"2026-11-01T12:00:00"', '"2026-11-01"', '"2023-02-29T00:00:00Z"', '"2026-12-31T23:58:60Z"', "1762000000", '""',
    '"2026-11-01T24:00:01Z"', '"2026-13-01T00:00:00Z"', '"0001-01-01T00:00:00+14:00"',
    '"2026-11-01T12:00:00+01:60"', '"2026-11-01T12:00:00+24:00"', '"9999-12-31T23:59:59-14:00"', '"2026-11-01 12:00:00Z"',
    '"٢٠٢٦-11-01T12:00:00Z"',
]  # fmt: skip


@pytest.mark.parametrize("text", NO_QUANTITY)
def test_what_is_no_plain_bounded_decimal_string_is_no_quantity(text: str) -> None:
    with pytest.raises(ValidationError):
        QUANTITY.validate_json(text)


@pytest.mark.parametrize("text", NO_INSTANT)
def test_what_is_no_rfc_3339_instant_with_a_zone_is_no_instant(text: str) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_json(text)


@pytest.mark.parametrize("text", ["nul \x00", "\ufdd0", "\uffff", "\U0010fffe"])
def test_text_that_cannot_be_stored_or_interchanged_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


def test_a_quantity_may_be_negative_only_where_it_is_said_so() -> None:
    assert QUANTITY.validate_json('"-1.5"') == Decimal("-1.5")
    with pytest.raises(ValidationError):
        NON_NEGATIVE.validate_json('"-1.5"')


@given(st.integers(-(10**26) + 1, 10**26 - 1), st.integers(0, 10**12 - 1))
def test_every_digit_of_a_quantity_survives_the_way_there_and_back(
    whole: int, fraction: int
) -> None:
    written = f"{whole}.{fraction:012d}"
    assert plain(QUANTITY.validate_json(f'"{written}"')) == written
    assert QUANTITY.dump_json(QUANTITY.validate_json(f'"{written}"')).decode() == f'"{written}"'


@given(st.integers(0, 250_000_000_000_000_000), st.timezones())
def test_every_instant_survives_the_way_there_and_back(us: int, zone: ZoneInfo) -> None:
    instant = (datetime(1970, 1, 2, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(zone)
    read = INSTANT.validate_json(f'"{rfc3339(instant)}"')
    assert read == instant.astimezone(UTC)
    assert read.utcoffset() is not None


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60Z",
        "1990-12-31T15:59:60-08:00",
        "2016-12-31T23:59:60.25Z",
        "2017-01-01T05:29:60.9+05:30",
    ],
)
def test_a_leap_second_stays_in_its_day(text: str) -> None:
    read = INSTANT.validate_json(f'"{text}"')
    assert (read.month, read.day, read.hour, read.minute, read.second) == (12, 31, 23, 59, 59)


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:58:60Z", "2016-12-31T23:59:60+01:00", "2016-12-31T23:59:61Z"]
)
def test_a_sixtieth_second_elsewhere_is_no_leap_second(text: str) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_json(f'"{text}"')


@pytest.mark.parametrize(
    ("reseller", "said"), [(ResellerOfAlert, "operator"), (ResellerOfInvoice, "none")]
)
def test_no_reseller_is_none_in_the_code_and_reads_as_ever_in_the_event(
    reseller: Any, said: str
) -> None:
    adapter = TypeAdapter(reseller)
    assert {adapter.validate_python(value) for value in (None, *NO_RESELLER)} == {None}
    assert adapter.dump_python(None, mode="json") == said
    assert adapter.dump_python(adapter.validate_python("VAR-A"), mode="json") == "VAR-A"
