"""What is read at one go is read as with care: the same event or the same faults; and it holds nothing that is refused."""

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from services.gateway.domain.cloudevents import Incoming, _check_tree, _is_plain, _plain, _with_care
from services.gateway.domain.faults import Refused

NAMES = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "subject", "data", "data_base64", "principal"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(["1.0", "\x00", "\ufffe", "\x7f", "a\\b", '"', "\U0001ffff"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
)
EVENTS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=10)
SOUND = {
    "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-11-01T00:00:00Z", "data": {"a": [1]},
}  # fmt: skip


def found(read: Any, raw: bytes) -> tuple[Incoming | None, Any]:
    try:
        return read(0, raw), None
    except Refused as refused:
        return None, (refused.faults, refused.found.counts)


def written(value: Any, *, is_ascii: bool) -> bytes:
    return json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", errors="replace")


@given(EVENTS | EVENTS.map(lambda more: {**SOUND, **more}) | VALUES, st.booleans())
@example(SOUND, True)
@example({**SOUND, "data": None}, True)
@example({**SOUND, "data": {"a": "\x00"}}, True)
@example({**SOUND, "data": {"a": "\ufffe"}}, False)
@example({**SOUND, "data_base64": None}, True)
@example({**SOUND, "data": {"a": "\x7f"}}, True)
@example({**SOUND, "data": {"a": float("inf")}}, True)  # Python writes `Infinity`, which is no JSON
def test_a_plain_event_is_read_as_with_care(value: Any, is_ascii: bool) -> None:
    raw = written(value, is_ascii=is_ascii)
    if _is_plain(raw):
        assert found(_plain, raw) == found(_with_care, raw)


@given(st.binary(max_size=60) | EVENTS.map(lambda value: written(value, is_ascii=True)[:-1]))
def test_what_is_no_json_is_refused_alike(raw: bytes) -> None:
    if _is_plain(raw):
        assert found(_plain, raw) == found(_with_care, raw)


@given(VALUES, st.integers(0, 40), st.booleans())
def test_what_is_plain_holds_nothing_that_a_walk_through_it_refuses(
    value: Any, depth: int, is_ascii: bool
) -> None:
    for _ in range(depth):
        value = [value]
    raw = written({"data": value}, is_ascii=is_ascii)
    if _is_plain(raw):
        _check_tree(0, msgspec.json.decode(raw))  # raises, when it refuses


def test_most_events_are_plain_and_what_may_hide_something_is_not() -> None:
    assert _is_plain(written(SOUND, is_ascii=True))
    for text in ("\x00", "\ufffe", "caffè", "a\\b"):
        assert not _is_plain(written({**SOUND, "id": text}, is_ascii=True))
    assert not _is_plain(written({**SOUND, "data": [0] * 10_000}, is_ascii=True))
    assert not _is_plain(b"[" * 32 + b"]" * 32)
