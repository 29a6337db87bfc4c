"""CloudEvents 1.0 over HTTP, in all three content modes: structured, batched, binary.

Duplicate keys of a JSON object: the last one wins, as everywhere. Extension attributes are allowed if they are named
as the specification asks (lower-case letters and digits, at most 20); ours (`correlationid`, `traceparent`) are used,
others end at the door. An attribute that is `null` is absent.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from schemas.reasons import Reason
from schemas.scalars import holds_forbidden_text
from services.gateway.domain.faults import Fault, Faults, Refused, pointer

STRUCTURED, BATCHED, BINARY = (
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
)
BODY_BYTES_MAX = 1024 * 1024
BATCH_BYTES_MAX = 4 * 1024 * 1024
BATCH_EVENTS_MAX = 1000
EVENT_BYTES_MAX = 256 * 1024
SPACED_BYTES_MAX = 2 * EVENT_BYTES_MAX
"""Data as they were sent, with blanks and escapes."""

ATTRIBUTES_BYTES_MAX = 128 * 1024
ATTRIBUTES_MAX = 64
VALUES_MAX = 10_000
"""Names and values in the data of one event."""

COMMAS_MAX = 300_000
"""In a batch: an upper bound of what is in it that is found without reading it."""

DEPTH_MAX = 32
ATTRIBUTE_LENGTH_MAX = 255
REQUIRED = ("specversion", "id", "source", "type", "time")
OPTIONAL = ("subject", "datacontenttype", "dataschema", "correlationid", "traceparent")
RESERVED = ("principal", "revision", "causationid")
"""Attributes that only the gateway sets."""

T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it came: its attributes, and its data as JSON."""

    index: int
    attributes: Mapping[str, str]
    raw: bytes


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def body_limit(content_type: str) -> int:
    """How many bytes a body of this content type may have."""
    return BATCH_BYTES_MAX if media_type(content_type) == BATCHED else BODY_BYTES_MAX


class _Outline(msgspec.Struct, gc=False):
    """An event whose parts are still unread: how large they are is known before any of it is."""

    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_outline = msgspec.json.Decoder(_Outline).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_skimmed = msgspec.json.Decoder(msgspec.Raw).decode
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse(headers: Iterable[tuple[str, str]], body: bytes) -> list[Incoming]:
    """Read a request at one go; header names are in lower case. Raises `Refused`."""
    work = parsing(headers, body)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: list[Incoming] = end.value
            return found


def parsing(
    headers: Iterable[tuple[str, str]], body: bytes
) -> Generator[None, None, list[Incoming]]:
    """Read a request, resting after each event; header names are in lower case. Raises `Refused`."""
    pairs = list(headers)
    named = dict(pairs)
    if sum(name == "content-type" for name, _ in pairs) > 1:
        raise Refused(
            [Fault(0, "", Reason.BAD_CONTENT_TYPE, "there is more than one content type")]
        )
    content_type = named.get("content-type", "")
    _check_encoding(content_type, named.get("content-encoding", "identity"))
    kind = media_type(content_type)
    if kind == STRUCTURED:
        return [_structured(0, body)]
    if kind == BATCHED:
        return (yield from _batch(body))
    if kind in (BINARY, "") and "ce-specversion" in named:  # the specification's default is JSON
        return [_binary(pairs, body)]
    wanted = f"{STRUCTURED}, {BATCHED}, or {BINARY} with ce- headers"
    raise Refused([Fault(0, "", Reason.BAD_CONTENT_TYPE, f"the content type must be {wanted}")])


def _check_encoding(content_type: str, encoding: str) -> None:
    """JSON travels in UTF-8, and is not unpacked here: a small body could unpack to a huge one."""
    message = Message()
    message["content-type"] = _CONTROL.sub("", content_type)
    if message.get_content_charset("utf-8") != "utf-8" or encoding.strip().lower() != "identity":
        raise Refused(
            [Fault(0, "", Reason.BAD_CONTENT_TYPE, "a body is plain UTF-8, not compressed")]
        )


def _json(
    body: bytes | msgspec.Raw, decode: Callable[[bytes | msgspec.Raw], T] = msgspec.json.decode
) -> T:
    try:
        return decode(body)
    except RecursionError:
        raise Refused([Fault(0, "", Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if isinstance(error, msgspec.ValidationError) and decode is not msgspec.json.decode:
            raise  # it is JSON, of another shape than was asked for
        raise Refused([Fault(0, "", Reason.NOT_JSON, "the body is not JSON in UTF-8")]) from None


def _batch(body: bytes) -> Generator[None, None, list[Incoming]]:
    if body.count(b",") > COMMAS_MAX:
        raise Refused([Fault(0, "", Reason.TOO_LARGE, f"a batch has at most {COMMAS_MAX} commas")])
    try:
        items = _json(body, _items)
    except msgspec.ValidationError:
        _json(body, _skimmed)  # perhaps it is no JSON at all
        items = []
    if not items:
        raise Refused(
            [Fault(0, "", Reason.BAD_ENVELOPE, "a batch is a JSON array of at least one event")]
        )
    if len(items) > BATCH_EVENTS_MAX:
        raise Refused(
            [Fault(0, "", Reason.TOO_MANY, f"a batch has at most {BATCH_EVENTS_MAX} events")]
        )
    events: list[Incoming] = []
    faults = Faults()
    for index, item in enumerate(items):
        try:
            events.append(_structured(index, item))
        except Refused as refused:
            if Reason.NOT_JSON in refused.found.counts:
                raise
            faults.merge(refused.found)
        yield
    if faults:
        raise Refused(faults)
    return events


def _structured(index: int, raw: bytes | msgspec.Raw) -> Incoming:
    """An event that was sent as JSON."""
    return _plain(index, raw) if _is_plain(bytes(raw)) else _with_care(index, raw)


def _plain(index: int, raw: bytes | msgspec.Raw) -> Incoming:
    """An event that is small, and can hold no text that is refused: it is read at one go."""
    whole: Any = _json(raw)
    if not isinstance(whole, dict):
        raise _no_object(index)
    data = whole.pop("data", msgspec.UNSET)
    is_base64 = whole.pop("data_base64", msgspec.UNSET) is not msgspec.UNSET
    _check_number(index, whole)
    if data is msgspec.UNSET or is_base64:
        raise _no_data(index)
    return _checked(index, whole, data)


def _with_care(index: int, raw: bytes | msgspec.Raw) -> Incoming:
    """Any event. Its size is looked at first: nothing is read that is too large."""
    size = len(bytes(raw))
    try:
        outline = _json(raw, _outline)
    except msgspec.ValidationError:
        _json(raw, _skimmed)  # perhaps it is no JSON at all
        raise _no_object(index) from None
    data = outline.data if isinstance(outline.data, msgspec.Raw) else None
    data_size = 0 if data is None else len(bytes(data))
    if data_size > SPACED_BYTES_MAX:
        raise Refused(
            [Fault(index, "/data", Reason.TOO_LARGE, f"data may have {EVENT_BYTES_MAX} bytes")]
        )
    if size - data_size > ATTRIBUTES_BYTES_MAX:
        fault = Fault(
            index, "", Reason.TOO_LARGE, f"attributes may have {ATTRIBUTES_BYTES_MAX} bytes in all"
        )
        raise Refused([fault])
    parts = {
        name: part
        for name, part in _json(raw, _parts).items()
        if name not in ("data", "data_base64")
    }
    _check_number(index, parts)
    attributes: dict[str, Any] = {name: _json(part) for name, part in parts.items()}
    if data is None or outline.data_base64 is not msgspec.UNSET:
        _check_tree(index, attributes)
        raise _no_data(index)
    found: Any = _json(data)
    _check_tree(index, {**attributes, "data": found})
    return _checked(index, attributes, found)


def _no_object(index: int) -> Refused:
    return Refused([Fault(index, "", Reason.BAD_ENVELOPE, "an event is a JSON object")])


def _no_data(index: int) -> Refused:
    return Refused([Fault(index, "/data", Reason.BAD_ENVELOPE, "data must be there, as JSON")])


def _check_number(index: int, attributes: Sized) -> None:
    if len(attributes) > ATTRIBUTES_MAX:
        fault = Fault(
            index, "", Reason.BAD_ENVELOPE, f"an event has at most {ATTRIBUTES_MAX} attributes"
        )
        raise Refused([fault])


def _binary(headers: Iterable[tuple[str, str]], body: bytes) -> Incoming:
    pairs = [(name[3:], value) for name, value in headers if name.startswith("ce-")]
    _check_number(0, pairs)
    attributes = {name: _header_text(name, value) for name, value in pairs}
    if len(attributes) < len(pairs) or {"data", "datacontenttype"} & attributes.keys():
        raise Refused(
            [
                Fault(
                    0,
                    "",
                    Reason.BAD_ENVELOPE,
                    "each attribute has one header; data and their type have their own",
                )
            ]
        )
    if len(body) > SPACED_BYTES_MAX:
        raise Refused(
            [Fault(0, "/data", Reason.TOO_LARGE, f"data may have {EVENT_BYTES_MAX} bytes")]
        )
    data: Any = _json(body)
    _check_tree(0, {**attributes, "data": data})
    return _checked(0, attributes, data)


def _header_text(name: str, value: str) -> str:
    """The text of an attribute's header: perhaps quoted, percent-encoded where it is not plain ASCII."""
    quoted = _QUOTED.fullmatch(value)
    plain = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value
    try:
        return unquote(plain.encode("ascii").decode(), errors="strict")
    except UnicodeError:
        fault = Fault(
            0,
            pointer(name),
            Reason.BAD_TEXT,
            "a header is ASCII; other text is percent-encoded UTF-8",
        )
        raise Refused([fault]) from None


def _checked(index: int, attributes: Mapping[str, Any], data: Any) -> Incoming:
    present = {name: value for name, value in attributes.items() if value is not None}
    faults = list(_attribute_faults(index, present))
    raw = msgspec.json.encode(data)
    if len(raw) > EVENT_BYTES_MAX:
        faults.append(
            Fault(index, "/data", Reason.TOO_LARGE, f"data may have {EVENT_BYTES_MAX} bytes")
        )
    if faults:
        raise Refused(faults)
    return Incoming(
        index, {name: value for name, value in present.items() if isinstance(value, str)}, raw
    )


def _attribute_faults(index: int, attributes: Mapping[str, Any]) -> Iterator[Fault]:
    for name in REQUIRED:
        if name not in attributes:
            yield Fault(index, pointer(name), Reason.BAD_ENVELOPE, "this attribute must be there")
    for name, value in attributes.items():
        reason, detail = _attribute_fault(name, value)
        if detail:
            yield Fault(index, pointer(name), reason, detail)
    if attributes.get("specversion", "1.0") != "1.0":
        yield Fault(index, "/specversion", Reason.BAD_ENVELOPE, "must be 1.0")
    if media_type(str(attributes.get("datacontenttype", BINARY))) != BINARY:
        yield Fault(index, "/datacontenttype", Reason.BAD_ENVELOPE, "data must be application/json")


def _attribute_fault(name: str, value: Any) -> tuple[Reason, str]:
    """What is wrong with one attribute; an empty sentence when nothing is."""
    if name in RESERVED:
        return Reason.BAD_ENVELOPE, "only the gateway sets this attribute"
    if not _NAME.fullmatch(name):
        return Reason.BAD_ENVELOPE, "attribute names are 1 to 20 lower-case letters and digits"
    if isinstance(value, bool | int) and name not in REQUIRED + OPTIONAL:
        return Reason.BAD_ENVELOPE, ""
    if not isinstance(value, str) or not 0 < len(value) <= ATTRIBUTE_LENGTH_MAX:
        return Reason.BAD_ENVELOPE, f"must be a text of 1 to {ATTRIBUTE_LENGTH_MAX} characters"
    if _CONTROL.search(value):
        return Reason.BAD_TEXT, "text of an attribute holds no control characters"
    return Reason.BAD_ENVELOPE, ""


def _is_plain(raw: bytes) -> bool:
    """Whether JSON cannot hold what `_check_tree` refuses, as nearly all of it: seen without walking through it.

    A value has a byte at least, and each level a bracket. ASCII without escapes spells neither NUL nor a non-character.
    """
    return (
        len(raw) < VALUES_MAX
        and raw.isascii()
        and b"\\" not in raw
        and raw.count(b"{") + raw.count(b"[") < DEPTH_MAX
    )


def _check_tree(index: int, value: Any) -> None:
    """Refuse what is nested too deep, and text that may not be stored. Iterative: the input decides how deep it is."""
    waiting, seen = [(value, 1)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if seen + len(waiting) > VALUES_MAX:
            raise Refused(
                [Fault(index, "/data", Reason.TOO_LARGE, f"an event may hold {VALUES_MAX} values")]
            )
        if depth > DEPTH_MAX:
            raise Refused([Fault(index, "", Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")])
        if isinstance(item, str) and holds_forbidden_text(item):
            raise Refused(
                [
                    Fault(
                        index,
                        _place(value),
                        Reason.BAD_TEXT,
                        "text holds NUL or a Unicode non-character",
                    )
                ]
            )
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]


def _place(value: Any) -> str:
    """Where text stands that may not be stored; if it is a name, the object that has it. Slower: for refusals only."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        if isinstance(item, str) and holds_forbidden_text(item):
            return pointer(*path)
        if isinstance(item, dict):
            if any(map(holds_forbidden_text, item)):
                return pointer(*path)
            waiting += [(part, (*path, name)) for name, part in item.items()]
        elif isinstance(item, list):
            waiting += [(part, (*path, n)) for n, part in enumerate(item)]
    return ""
