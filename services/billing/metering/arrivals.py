"""Reading usage events: a fast path for what is plainly right, the one careful reader for everything else.

The fast path accepts a subset of what `schemas.envelope.decode` accepts and gives the same result for it; what it does
not accept is not wrong, it is only read again with care. So there is one authority on what is malformed, and its reasons.
"""

import re
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from struct import Struct
from types import MappingProxyType
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from schemas.envelope import ATTRIBUTE_LENGTH_MAX, Malformed, decode
from schemas.identity import event_name
from schemas.reasons import Reason
from schemas.scalars import rfc3339
from schemas.usage import UsageRecorded

_Attribute = Annotated[str, Meta(min_length=1, max_length=ATTRIBUTE_LENGTH_MAX)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]

# Matched here and not by msgspec, which takes three times as long for it.
_QUANTITY = re.compile(r"(?:0|[1-9][0-9]{0,25})(?:\.[0-9]{1,12})?").fullmatch
"""As a decimal is written: without leading zeros."""
_SERVICE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_METER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}").fullmatch

_BACKSLASH = ord("\\")

NAMES_MAX = 100_000
"""Service ids, and meters, that are remembered: they come again and again, and each is kept once."""

_MARK = Struct(">hi16si8s").pack
_KEY, _PAYLOAD_HASH = slice(6, 22), slice(26, 34)

_new_key = blake2b(digest_size=16).copy
_new_payload_hash = blake2b(digest_size=8).copy


_NO_DIMENSIONS = cast("dict[str, str]", MappingProxyType({}))
"""One for all events that have none."""


class Said(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What an event says: its data, as it came."""

    service_id: str
    meter: str
    quantity: str | None = None
    value: _Text | None = None
    dimensions: Annotated[dict[_Key, _Text], Meta(max_length=8)] = _NO_DIMENSIONS


class _Wire(msgspec.Struct, gc=False):
    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: Literal["vicino.usage.recorded.v1"]
    subject: _Attribute
    time: str
    data: Said
    datacontenttype: str = ""
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    principal: _Attribute | None = None
    revision: int | None = None


class Arrival(msgspec.Struct, gc=False):
    """A usage event that was read, where it stood, and the hashes it is known by."""

    offset: int
    tenant_id: str
    said: Said
    at: datetime
    revision: int
    mark: bytes
    """Its key and the hash of its payload, as one row of COPY's binary format: nearly always that is what becomes of them."""
    raw: bytes
    careful: bool
    """Whether the careful reader has seen it."""
    principal: str | None = None
    """Who sent it, as the door says."""

    @property
    def key(self) -> bytes:
        """16 bytes of (tenant, principal, source, id): never of the time."""
        return self.mark[_KEY]

    @property
    def payload_hash(self) -> bytes:
        """8 bytes of what the event says."""
        return self.mark[_PAYLOAD_HASH]


_decode = msgspec.json.Decoder(_Wire).decode
_service_ids: dict[str, str] = {}
_meters: dict[str, str] = {}


class _Name(msgspec.Struct, gc=False):
    """What makes two events the same one."""

    id: str
    source: str
    subject: str


_decode_name = msgspec.json.Decoder(_Name).decode


def read(raw: bytes, offset: int) -> Arrival:
    """Read a usage event. Raises `Malformed`."""
    found = plainly(raw)
    if found is None:
        return read_carefully(raw, offset)
    wire, at = found
    said, principal = wire.data, wire.principal
    # As `event_name` says, written out: a call for each event is a tenth of reading it.
    if principal is None:
        name = f"{wire.subject}\0{wire.source}\0{wire.id}"
    else:
        name = f"{wire.subject}\0{principal}\0{wire.source}\0{wire.id}"
    mark = _mark(name, _content(wire.time, said))
    return Arrival(offset, wire.subject, said, at, wire.revision or 0, mark, raw, False, principal)


def sender_name(raw: bytes) -> tuple[str, str]:
    """The source and id of an event that was read: what its sender knows it by."""
    wire = _decode_name(raw)
    return wire.source, wire.id


def mark_before(arrival: Arrival) -> bytes:
    """The mark that an event had before principals were part of keys. Of an event that was read."""
    if arrival.principal is None:
        return arrival.mark
    wire, key = _decode_name(arrival.raw), _new_key()
    key.update(event_name(wire.subject, wire.source, wire.id).encode())
    return arrival.mark[: _KEY.start] + key.digest() + arrival.mark[_KEY.stop :]


def as_before(arrival: Arrival) -> Arrival:
    """An event under the key it was counted by before principals were part of keys: ties are broken by it as then."""
    arrival.mark = mark_before(arrival)
    return arrival


def plainly(raw: bytes) -> tuple[_Wire, datetime] | None:
    """Decode and validate an event that is plainly right, and when it happened; None when it needs a careful look."""
    if not raw.isascii() or _BACKSLASH in raw:
        return None  # whether its text may be stored, the careful reader says
    try:
        wire = _decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    said = wire.data
    quantity = said.quantity
    if (quantity is None) is (said.value is None) or (
        quantity is not None and not _QUANTITY(quantity)
    ):
        return None
    service_id = _service_ids.get(said.service_id) or _remembered(
        _service_ids, _SERVICE_ID, said.service_id
    )
    meter = _meters.get(said.meter) or _remembered(_meters, _METER, said.meter)
    if service_id is None or meter is None:
        return None
    said.service_id, said.meter = service_id, meter
    at = _plain_time(wire.time)
    return None if at is None else (wire, at)


def _remembered(
    names: dict[str, str], is_spelled: Callable[[str], object], name: str
) -> str | None:
    """A name from now on remembered, if it is spelled right."""
    if not is_spelled(name):
        return None
    if len(names) >= NAMES_MAX:
        names.clear()
    return names.setdefault(name, name)


def _plain_time(text: str) -> datetime | None:
    """An instant in the one form that it is written in; None when it needs a careful look.

    `2026-11-01T12:00:00Z`, or with microseconds: as the doors write it, and hashes are taken of it.
    """
    marks = text[4:20:3]
    if marks == "--T::Z":
        if len(text) != 20:
            return None
    elif marks != "--T::." or len(text) != 27 or text[26] != "Z" or text[20:26] == "000000":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mark(name: str, content: str) -> bytes:
    key, payload_hash = _new_key(), _new_payload_hash()
    key.update(name.encode())
    payload_hash.update(content.encode())
    return _MARK(2, 16, key.digest(), 8, payload_hash.digest())


def _content(time: str, said: Said) -> str:
    """What the payload hash is taken of."""
    content = f"{time}\0{said.service_id}\0{said.meter}\0{said.quantity}\0{said.value}"
    if said.dimensions:
        content += "\0" + "\0".join(
            f"{name}\0{text}" for name, text in sorted(said.dimensions.items())
        )
    return content


def read_carefully(raw: bytes, offset: int) -> Arrival:
    """Read a usage event as the schemas say. Raises `Malformed`."""
    event = decode(raw)
    data = event.data
    if not isinstance(data, UsageRecorded):
        raise Malformed(Reason.UNKNOWN_TYPE, "only usage is read here")
    quantity = None if data.quantity is None else format(data.quantity, "f")
    said = Said(data.service_id, data.meter, quantity, data.value, dict(data.dimensions))
    name = event_name(event.subject, event.source, event.id, event.principal)
    mark = _mark(name, _content(rfc3339(event.time), said))
    return Arrival(
        offset,
        event.subject,
        said,
        event.time,
        event.revision or 0,
        mark,
        raw,
        True,
        event.principal,
    )
