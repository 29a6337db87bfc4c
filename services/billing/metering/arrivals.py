"""Reading usage events: a fast path for what is plainly right, the one careful reader for everything else.

The fast path accepts a subset of what `schemas.envelope.decode` accepts and gives the same result for it; what it does
not accept is not wrong, it is only read again with care. So there is one authority on what is malformed, and its reasons.
"""

import re
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.envelope import ATTRIBUTE_LENGTH_MAX, Malformed, decode
from schemas.scalars import rfc3339
from schemas.usage import UsageRecorded

_Attribute = Annotated[str, Meta(min_length=1, max_length=ATTRIBUTE_LENGTH_MAX)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
_Quantity = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?\Z")]
"""As a decimal is written: without leading zeros."""
_SERVICE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WIRE_TYPE = UsageRecorded.wire_type
_TIME_LENGTHS = (20, 27)
"""`2026-11-01T12:00:00Z`, or with microseconds: as the doors write it, and hashes are taken of it."""

NAMES_MAX = 100_000
"""Service ids and meters whose spelling is remembered."""

_NONE: dict[str, str] = {}


class _Data(Struct, gc=False, forbid_unknown_fields=True):
    service_id: str
    meter: str
    quantity: _Quantity | None = None
    value: _Text | None = None
    dimensions: Annotated[dict[_Key, _Text], Meta(max_length=8)] = {}


class _Wire(Struct, gc=False):
    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: str
    subject: _Attribute
    time: str
    data: _Data
    datacontenttype: str = ""
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    principal: str | None = None
    revision: int | None = None


class Arrival(Struct, gc=False):
    """A usage event that was read, where it stood, and the hashes it is known by."""

    offset: int
    tenant_id: str
    service_id: str
    name: str
    quantity: str | None
    value: str | None
    dimensions: dict[str, str]
    at: datetime
    revision: int
    key: bytes
    """16 bytes of (tenant, source, id): never of the time."""
    payload_hash: bytes
    """8 bytes of what the event says."""
    raw: bytes
    careful: bool
    """Whether the careful reader has seen it."""


decode_fast = msgspec.json.Decoder(_Wire).decode


def read(raw: bytes, offset: int) -> Arrival:
    """Read a usage event. Raises `Malformed`."""
    found = plainly(raw)
    if found is None:
        return read_carefully(raw, offset)
    wire, at = found
    data = wire.data
    name = f"{wire.subject}\0{wire.source}\0{wire.id}"
    said = f"{wire.time}\0{data.service_id}\0{data.meter}\0{data.quantity}\0{data.value}"
    if data.dimensions:
        said += _dimensions_said(data.dimensions)
    return Arrival(
        offset, wire.subject, data.service_id, data.meter, data.quantity, data.value, data.dimensions, at,
        wire.revision or 0, blake2b(name.encode(), digest_size=16).digest(),
        blake2b(said.encode(), digest_size=8).digest(), raw, False,
    )  # fmt: skip


def plainly(raw: bytes) -> tuple[_Wire, datetime] | None:
    """Decode and validate an event that is plainly right, and when it happened; None when it needs a careful look."""
    if not raw.isascii() or b"\\u" in raw:
        return None  # whether its text may be stored, the careful reader says
    try:
        wire = decode_fast(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    data = wire.data
    if wire.type != _WIRE_TYPE or (data.quantity is None) is (data.value is None):
        return None
    if not (_is_service_id(data.service_id) and _is_meter(data.meter)):
        return None
    at = _plain_time(wire.time)
    return None if at is None else (wire, at)


@lru_cache(NAMES_MAX)
def _is_service_id(text: str) -> bool:
    """They come again and again: looking one up costs a third of matching it."""
    return _SERVICE_ID.fullmatch(text) is not None


@lru_cache(NAMES_MAX)
def _is_meter(text: str) -> bool:
    return _METER.fullmatch(text) is not None


def _dimensions_said(dimensions: dict[str, str]) -> str:
    return "\0" + "\0".join(f"{name}\0{text}" for name, text in sorted(dimensions.items()))


def _plain_time(text: str) -> datetime | None:
    """An instant in the one form that it is written in; None when it needs a careful look."""
    if len(text) not in _TIME_LENGTHS or text[-1] != "Z" or text[7] != "-" or text[10] != "T" or text[13] != ":":
        return None
    if len(text) > 20 and (text[19] != "." or text.endswith(".000000Z")):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_carefully(raw: bytes, offset: int) -> Arrival:
    """Read a usage event as the schemas say. Raises `Malformed`."""
    event = decode(raw)
    data = event.data
    if not isinstance(data, UsageRecorded):
        raise Malformed("unknown_type", "only usage is read here")
    quantity = None if data.quantity is None else format(data.quantity, "f")
    said = f"{rfc3339(event.time)}\0{data.service_id}\0{data.meter}\0{quantity}\0{data.value}"
    if data.dimensions:
        said += _dimensions_said(data.dimensions)
    name = f"{event.subject}\0{event.source}\0{event.id}"
    return Arrival(
        offset, event.subject, data.service_id, data.meter, quantity, data.value, dict(data.dimensions) or _NONE, event.time,
        event.revision or 0, blake2b(name.encode(), digest_size=16).digest(),
        blake2b(said.encode(), digest_size=8).digest(), raw, True,
    )  # fmt: skip
