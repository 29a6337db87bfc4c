"""An event is read whole or refused with a reason; what a newer writer adds does not disturb an older reader."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import PAYLOADS, Event, Malformed, decode, peek
from schemas.usage import UsageRecorded

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SERVICE = "6b0f2d64-9b0a-4f62-8a0b-3ad1a0e7d6f1"
USAGE = {
    "specversion": "1.0", "id": "u-1", "source": "/erp", "type": UsageRecorded.wire_type, "subject": "tenant-1",
    "time": "2026-11-05T10:00:00Z", "data": {"service_id": SERVICE, "meter": "einvoice.document", "quantity": "1"},
}  # fmt: skip
INSTANTS = st.integers(0, 4_000_000_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\x00"),
    min_size=1,
    max_size=60,
)


def usage(**changes: Any) -> bytes:
    event = {name: value for name, value in {**USAGE, **changes}.items() if value is not None}
    return msgspec.json.encode(event)


MALFORMED: dict[str, tuple[bytes | None, str]] = {
    "empty": (b"", "not_json"),
    "not JSON": (b"{nope", "not_json"),
    "not UTF-8": (b'{"id": "\xff\xfe"}', "not_json"),
    "BOM": (b"\xef\xbb\xbf" + usage(), "not_json"),
    "two documents": (usage() + usage(), "not_json"),
    "trailing bytes": (usage() + b"x", "not_json"),
    "an array": (b"[" + usage() + b"]", "bad_envelope"),
    "nested without end": (usage(data="here").replace(b'"here"', b"[" * 100_000), "too_deep"),
    "NaN": (usage().replace(b'"1"', b"NaN"), "not_json"),
    "no id": (usage(id=None), "bad_envelope"),
    "empty id": (usage(id=""), "bad_envelope"),
    "long id": (usage(id="x" * 256), "bad_envelope"),
    "NUL in the id": (usage(id="a\x00b"), "bad_text"),
    "non-character in the subject": (usage(subject="a\ufffeb"), "bad_text"),
    "other specversion": (usage(specversion="0.3"), "bad_envelope"),
    "number as id": (usage(id=7), "bad_envelope"),
    "unknown type": (usage(type="vicino.nothing.v1"), "unknown_type"),
    "unknown version": (usage(type=UsageRecorded.wire_type.replace(".v1", ".v9")), "unknown_type"),
    "time without zone": (usage(time="2026-11-05T10:00:00"), "bad_time"),
    "no data": (usage(data=None), "bad_envelope"),
    "data of the wrong shape": (usage(data=[1]), "bad_data"),
    "missing field": (usage(data={"meter": "m", "quantity": "1"}), "bad_data"),
    "number as quantity": (usage(data={**USAGE["data"], "quantity": 1.5}), "bad_data"),  # type: ignore[dict-item]
    "NUL in the data": (usage(data={**USAGE["data"], "meter": "a\x00"}), "bad_data"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_says_why_and_never_repeats_the_input(raw: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(raw)
    assert caught.value.reason == reason
    assert SERVICE not in str(caught.value)


def test_attributes_and_fields_of_a_newer_writer_are_passed_over() -> None:
    raw = usage(newattribute="x", data={**USAGE["data"], "unit_of_tomorrow": {"a": [1]}})  # type: ignore[dict-item]
    assert isinstance(decode(raw).data, UsageRecorded)


@given(NAMES, NAMES, NAMES, INSTANTS)
def test_an_event_survives_the_way_there_and_back_and_has_one_form(
    event_id: str, source: str, subject: str, at: datetime
) -> None:
    data = UsageRecorded.model_validate(USAGE["data"])
    event = Event(
        event_id, source, data.wire_type, subject, at, data, correlation_id="c", revision=3
    )
    if any(
        ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in event_id + source + subject
    ):
        return
    assert decode(event.encode()) == event
    assert decode(event.encode()).encode() == event.encode()


@given(st.binary(max_size=300))
def test_no_bytes_at_all_bring_a_reader_down(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        peek(raw)
    assert caught.value.reason in {"not_json", "bad_envelope", "bad_text", "too_deep"}


def test_every_type_names_its_version_and_its_topic() -> None:
    assert all(
        name.startswith("vicino.") and name.rsplit(".", 1)[1].startswith("v") for name in PAYLOADS
    )
    assert all(payload.topic is not None for payload in PAYLOADS.values())
