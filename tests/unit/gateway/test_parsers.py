"""Whatever comes in, a door says what is wrong with it or understands it; it never stumbles."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reasons import Reason
from services import gateway
from services.gateway import contract
from services.gateway.domain.admission import (
    Known,
    Principal,
    PrincipalKind,
    claims,
)
from services.gateway.domain.cloudevents import BATCHED, BINARY, STRUCTURED, parse
from services.gateway.domain.faults import MEANINGS, Fault, Refused, pointer
from services.gateway.domain.reading import OUTSIDE, Typed, read
from tests.support.catalogue import PLANS

NOW = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
KNOWN = Known(PLANS, frozenset(PLANS), 1)
KINDS = st.sampled_from(
    [STRUCTURED, BATCHED, BINARY, f"{STRUCTURED};charset=latin1", "text/plain", ""]
)
NAMES = st.sampled_from(
    [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "data",
        "correlationid",
        "datacontenttype",
        "principal",
    ]
)
VALUES = st.sampled_from(["1.0", *OUTSIDE, "2026-11-23T10:15:30Z", "application/json", "x"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=8)
    ),
    max_leaves=20,
)
MANGLED = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("specversion", "id", "source", "type", "time", "subject", "data"), VALUES | JSON
    ),
)


def judged(headers: list[tuple[str, str]], body: bytes) -> list[Fault]:
    """Take a request through every pure check, as each kind of principal; returns its faults."""
    try:
        incoming = parse(headers, body)
    except Refused as refused:
        return refused.faults
    faults: list[Fault] = []
    for event in incoming:
        found = read(event)
        if isinstance(found, Typed):
            for kind in PrincipalKind:
                faults += claims(found, Principal(kind, "somebody"), KNOWN)
        else:
            faults += found
    return faults


def assert_sane(faults: list[Fault]) -> None:
    for fault in faults:
        assert fault.index >= 0
        assert fault.pointer == "" or fault.pointer.startswith("/")
        assert fault.detail
    if faults:
        assert 400 <= Refused(faults).status < 500


@given(kind=KINDS, body=st.binary(max_size=400))
def test_any_bytes_are_refused_or_understood(kind: str, body: bytes) -> None:
    assert_sane(judged([("content-type", kind), ("ce-specversion", "1.0")], body))


@settings(max_examples=300)
@given(kind=KINDS, value=JSON | MANGLED | st.lists(MANGLED, max_size=4))
def test_any_json_is_refused_or_understood(kind: str, value: Any) -> None:
    try:
        body = msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return  # what cannot be written as JSON in UTF-8 cannot come in as such
    assert_sane(judged([("content-type", kind), ("ce-specversion", "1.0")], body))


@given(
    headers=st.lists(st.tuples(NAMES | st.text(max_size=24), st.text(max_size=40)), max_size=10),
    data=JSON,
)
def test_any_headers_are_refused_or_understood(headers: list[tuple[str, str]], data: Any) -> None:
    try:
        body = msgspec.json.encode(data)
    except (UnicodeEncodeError, OverflowError):
        return
    named = [(f"ce-{name}", value) for name, value in headers]
    assert_sane(judged([("content-type", BINARY), ("ce-specversion", "1.0"), *named], body))


@pytest.mark.parametrize(
    "number", ["1e400", "9" * 5000, "-0", "1e-400", "18446744073709551616", "1" + "0" * 400]
)
def test_no_number_makes_a_door_stumble(number: str) -> None:
    event = b'{"specversion":"1.0","id":"x","source":"/p","type":"vicino.heartbeat.received.v1",'
    event += b'"time":"2026-11-23T10:15:30Z","subject":"s","data":' + number.encode() + b"}"
    faults = judged([("content-type", STRUCTURED)], event)
    assert faults
    assert_sane(faults)


def test_an_attribute_that_is_null_is_absent_and_extensions_end_at_the_door() -> None:
    event = {**contract.USAGE, "dataschema": None, "myext": 7, "flag": True, "sequence": "9"}
    [incoming] = parse([("content-type", STRUCTURED)], msgspec.json.encode(event))
    assert set(incoming.attributes) == {*contract.USAGE, "sequence"} - {"data"}


def test_of_a_key_that_is_there_twice_the_last_one_counts() -> None:
    body = msgspec.json.encode(contract.USAGE).replace(
        b'"id":"usage-1730"', b'"id":"first","id":"second"'
    )
    [incoming] = parse([("content-type", STRUCTURED)], body)
    assert incoming.attributes["id"] == "second"


def test_an_attribute_in_two_headers_is_refused() -> None:
    headers = [("content-type", BINARY), ("ce-specversion", "1.0"), ("ce-id", "a"), ("ce-id", "b")]
    with pytest.raises(Refused):
        parse(headers, b"{}")


def test_every_reason_has_a_status_and_a_sentence() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in Path(gateway.__file__).parent.rglob("*.py")
    )
    assert set(MEANINGS) == {Reason[name] for name in re.findall(r"\bReason\.([A-Z_]+)", sources)}
    assert {meaning.status for meaning in MEANINGS.values()} <= set(contract.TITLES)


def test_faults_of_several_kinds_make_a_422() -> None:
    faults = [Fault(0, "", Reason.WRONG_TENANT, "x"), Fault(1, "", Reason.BAD_DATA, "x")]
    assert (Refused(faults[:1]).status, Refused(faults).status) == (403, 422)


@given(st.text())
def test_a_pointer_is_escaped_and_short(part: str) -> None:
    written = pointer(part)
    assert written.count("/") == 1
    assert len(written) <= 121


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, examples in contract.EXAMPLES.items() for name in examples],
)
def test_every_documented_example_is_understood(kind: str, name: str) -> None:
    value: Any = contract.EXAMPLES[kind][name]["value"]
    attributes = [
        (f"ce-{key}", str(text))
        for key, text in contract.USAGE.items()
        if not key.startswith("data")
    ]
    headers = [("content-type", kind), *(attributes if kind == BINARY else [])]
    for incoming in parse(headers, msgspec.json.encode(value)):
        assert isinstance(read(incoming), Typed)
