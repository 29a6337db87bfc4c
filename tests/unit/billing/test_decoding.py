"""Usage events are read the same, whichever of the two ways they take."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import Malformed, decode
from schemas.usage import UsageRecorded
from services.billing.metering.arrivals import Arrival, plainly, read, read_carefully
from tests.unit.billing.events import (
    INSTANTS,
    KEYS,
    NOON,
    NUMBERS,
    SERVICE,
    TENANT,
    TEXTS,
    arrival,
    usage,
)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Usage as our own code writes it."""
    measured = {"quantity": draw(NUMBERS)} if draw(st.booleans()) else {"value": draw(TEXTS)}
    dimensions = draw(st.dictionaries(KEYS, TEXTS, max_size=3))
    return usage(
        draw(INSTANTS),
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS),
        meter=draw(KEYS),
        dimensions=dimensions,
        **measured,
    )


SPELLINGS: dict[str, list[str]] = {
    "specversion": ['"1.0"', '"1.1"', "1.0", "null"],
    "id": ['"u-1"', '"\\u0075-1"', '"ü"', '""', f'"{"x" * 255}"', f'"{"x" * 256}"', '"a\\u0000b"', '"a\tb"', '"\\/"', "7"],
    "source": ['"/erp"', '"\\/erp"', '"\\ufffe"', '"\ud800"', "null"],
    "type": [f'"{UsageRecorded.wire_type}"', '"vicino.heartbeat.received.v1"', '"vicino.usage.recorded.v2"', "[]"],
    "subject": [f'"{TENANT}"', '"è"', '"e\\u0300"', '"\\n"', '""'],
    "time": [
        '"2026-11-05T12:00:00Z"', '"2026-11-05T12:00:00.123456Z"', '"2026-11-05T12:00:00.000000Z"',
        '"2026-11-05T12:00:00.500Z"', '"2026-11-05T12:00:00.500000Z"', '"2026-11-05t12:00:00z"', '"2026-11-05T13:00:00+01:00"',
        '"2026-11-05T120000.0Z"', '"2026-11-05T120000,0Z"', '"2026-W45-4T12:00:00Z"', '"20261105T12:00:00.00Z"',
        '"2026-11-05 12:00:00Z"', '"2026-11-05T12:00:00"', '"2026-11-05T12:00:60Z"', '"2026-11-05T24:00:00Z"',
        '"2026-02-30T12:00:00Z"',
        '"0001-01-01T00:00:00+01:00"', '"0000-01-01T00:00:00Z"', '"2026-11-05T12:00:00.1234567Z"',
        '"2026-11-05T12:00:00.12345٦Z"',
        '"2026-11-05T12:00:00.Z"', '"2026-11-05T12:00:00,500000Z"', '"2026-11-05T12:00:00\\u005a"', "1762344000", '""',
    ],
    "datacontenttype": ['"application/json"', '"text/xml"', "1", "null"],
    "revision": ["3", "0", "-1", "3.0", "3.5", "1e2", '"3"', "true", "99999999999999999999999", "null"],
    "principal": ['"back-end"', "1", "null"],
    "novelty": ["1", "{}", "[" * 40 + "]" * 40, "1e400", '"\\ud800"', "01"],
    "service_id": [f'"{SERVICE}"', f'"{SERVICE[:-1]}Ü"', f'"{SERVICE.replace("2", "A")}"', f'"{SERVICE}\\n"', '"s"', "null"],
    "meter": [
        '"calls"', '"c\\u0061lls"', '"c.a-l_s"', '".calls"', '"calls "', '"calls\\n"', '"càlls"', f'"{"m" * 101}"', '""', "{}",
    ],
    "quantity": [
        '"1"', '"1.50"', '"0.0"', '"01"', '"00.5"', '"007"', f'"{"9" * 26}.{"9" * 12}"', f'"{"9" * 27}"', '"0.0000000000001"',
        '"1."',
        '".5"', '"-1"', '"+1"', '"1e3"', '"1_0"', '" 1"', '"1\\n"', '"NaN"', '"١"', '"\\u0031"', '""', "1", "1.5", "null",
    ],
    "value": [
        '"doc-1"', '"d\\u00f3c"', '"dóc"', '"\\u0000"', '""', f'"{"v" * 200}"', f'"{"v" * 201}"', '"\\t"', '"\t"', "1", "null",
    ],
    "dimensions": [
        "{}", '{"region":"eu"}', '{"b":"2","a":"1"}', '{"a":"1","a":"2"}', '{"a":"ü"}', '{"a":""}', '{"à":"1"}', '{"a b":"1"}',
        '{"a\\n":"1"}', '{"a":1}', '{"a":null}', "[]", "null", json.dumps({f"d{n}": "x" for n in range(8)}),
        json.dumps({f"d{n}": "x" for n in range(9)}),
    ],
    "unit_of_tomorrow": ["1", '{"a":[1]}', "[" * 300 + "]" * 300, "9" * 5000, "1e400", "-", "NaN", '"\x01"', '"\\ud800"'],
}  # fmt: skip
"""JSON for each member, the plain one first."""

DATA = ("service_id", "meter", "quantity", "value", "dimensions", "unit_of_tomorrow")
PLAIN = ("specversion", "id", "source", "type", "subject", "time")


def _object(members: Iterable[tuple[str, str]], blank: str) -> str:
    return "{" + f",{blank}".join(f'"{name}":{blank}{text}' for name, text in members) + "}"


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """Usage as others might write it: a few members spelled oddly, absent, twice, or in another order."""
    odd = draw(st.lists(st.sampled_from(sorted(SPELLINGS)), max_size=3, unique=True))
    measured = draw(st.sampled_from(["quantity", "value"]))
    members = {name: SPELLINGS[name][0] for name in (*PLAIN, "service_id", "meter", measured)}
    members |= {name: draw(st.sampled_from(SPELLINGS[name])) for name in odd}
    found = draw(st.permutations(list(members.items())))
    if draw(st.integers(0, 9)) == 0:
        found = found[1:]
    if draw(st.integers(0, 9)) == 0:
        found = [*found, (found[0][0], draw(st.sampled_from(SPELLINGS[found[0][0]])))]
    blank = draw(st.sampled_from(["", "", " ", "\n\t"]))
    data = _object([(name, text) for name, text in found if name in DATA], blank)
    envelope = [(name, text) for name, text in found if name not in DATA]
    envelope.insert(draw(st.integers(0, len(envelope))), ("data", data))
    return _object(envelope, blank).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Usage with a few bytes that somebody dropped, doubled or wrote over."""
    raw = bytearray(draw(written()))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(raw) - 1))
        raw[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(raw)


def told(raw: bytes, reader: Any) -> Any:
    """What a reader makes of an event: all of it but how it was read, or the reason why not."""
    try:
        found = reader(raw, 7)
    except Malformed as fault:
        return fault.reason
    return {name: getattr(found, name) for name in Arrival.__struct_fields__ if name != "careful"}


@given(written() | spelled() | spoilt())
def test_the_fast_path_says_what_the_careful_reader_says(raw: bytes) -> None:
    assert told(raw, read) == told(raw, read_carefully)


@pytest.mark.parametrize("member", SPELLINGS)
def test_no_spelling_of_a_member_takes_the_two_ways_apart(member: str) -> None:
    for text in SPELLINGS[member]:
        for measured in ("quantity", "value"):
            members = {
                name: SPELLINGS[name][0] for name in (*PLAIN, "service_id", "meter", measured)
            } | {member: text}
            data = _object([(name, known) for name, known in members.items() if name in DATA], "")
            envelope = [(name, known) for name, known in members.items() if name not in DATA]
            raw = _object([*envelope, ("data", data)], "").encode("utf-8", "surrogatepass")
            assert told(raw, read) == told(raw, read_carefully), text


@given(spelled() | spoilt())
def test_what_the_schemas_refuse_is_refused_with_their_reason(raw: bytes) -> None:
    try:
        refused = "" if isinstance(decode(raw).data, UsageRecorded) else "unknown_type"
    except Malformed as fault:
        refused = fault.reason
    found = told(raw, read)
    assert (found if isinstance(found, str) else "") == refused


@given(INSTANTS, NUMBERS, st.dictionaries(KEYS, KEYS, max_size=3))
def test_what_the_doors_write_takes_the_fast_path(
    at: datetime, number: str, dimensions: dict[str, str]
) -> None:
    raw = usage(at, quantity=number, dimensions=dimensions)
    assert plainly(raw) is not None
    assert read(raw, 7).at == at


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=2, max_size=6, unique=True))
def test_the_same_id_of_another_tenant_or_source_is_another_event(
    names: list[tuple[str, str, str]],
) -> None:
    raws = [
        usage(NOON, event_id, source, tenant, quantity="1") for tenant, source, event_id in names
    ]
    assert len({read(raw, 7).key for raw in raws}) == len(names)


@given(INSTANTS, INSTANTS, NUMBERS, NUMBERS)
def test_an_event_is_known_by_its_name_and_what_it_says_by_its_content(
    at: datetime, other: datetime, number: str, another: str
) -> None:
    one, two = arrival(at, quantity=number), arrival(other, quantity=another)
    assert one.key == two.key
    assert (one.payload_hash == two.payload_hash) is (
        (at, number.lstrip("0")) == (other, another.lstrip("0"))
    )


@pytest.mark.parametrize(
    "other",
    [
        {"meter": "orders"}, {"service_id": TENANT}, {"quantity": "2"}, {"quantity": None, "value": "1"},
        {"dimensions": {"a": "b"}}, {"dimensions": {"b": "a"}},
    ],
    ids=["another meter", "another service", "another quantity", "a value", "a dimension", "another dimension"],
)  # fmt: skip
def test_other_content_has_another_hash(other: dict[str, Any]) -> None:
    assert arrival(quantity="1").payload_hash != arrival(**{"quantity": "1", **other}).payload_hash
