"""Usage that is plainly right, read and written without a model for each event: most of what a door is sent.

What is not exactly this goes to the careful reader (`cloudevents.py`, `reading.py`), which alone says what is wrong. What is
read here the careful reader accepts too, and both write the same bytes: a property test compares them.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.scalars import KEY_PATTERN, UUID_PATTERN, rfc3339
from schemas.usage import UsageRecorded
from services.gateway.domain.cloudevents import (
    ATTRIBUTE_LENGTH_MAX,
    BATCH_EVENTS_MAX,
    BATCHED,
    COMMAS_MAX,
    STRUCTURED,
    VALUES_MAX,
    Incoming,
)
from services.gateway.domain.reading import Typed

BATCHES = frozenset({BATCHED, f"{BATCHED}; charset=utf-8"})
SINGLES = frozenset({STRUCTURED, f"{STRUCTURED}; charset=utf-8"})
DIMENSIONS_MAX = 8
WHOLE_SECONDS = len("2026-12-31T23:59:59Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)

_Attribute = Annotated[str, Meta(min_length=1, max_length=ATTRIBUTE_LENGTH_MAX)]
_Uuid = Annotated[str, Meta(pattern=UUID_PATTERN)]
_Key = Annotated[str, Meta(pattern=KEY_PATTERN)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Quantity = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$")]
"""Already written as it travels: no zero leads."""


class _Data(Struct, forbid_unknown_fields=True, gc=False):
    """The fields of `UsageRecorded`, in their order."""

    service_id: _Uuid
    meter: _Key
    quantity: _Quantity | None = None
    value: _Text | None = None
    dimensions: Annotated[dict[_Key, _Text], Meta(max_length=DIMENSIONS_MAX)] = {}


class _Said(Struct, forbid_unknown_fields=True, gc=False):
    """An event as its sender writes it."""

    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: Literal["vicino.usage.recorded.v1"]
    time: str
    subject: _Attribute
    data: _Data
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: _Attribute | UnsetType = UNSET
    correlationid: _Attribute | UnsetType = UNSET
    traceparent: _Attribute | UnsetType = UNSET


class _Wire(Struct, gc=False):
    """An event as `schemas/envelope.py` writes it."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    correlationid: str
    traceparent: str | UnsetType
    principal: str
    revision: int
    data: _Data


_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_said = msgspec.json.Decoder(_Said).decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class PlainUsage:
    """One usage event. Not frozen: thousands a second are made, and that would double what one costs."""

    said: _Said
    time: datetime

    @property
    def claim(self) -> tuple[str, str, str, bool]:
        """All that decides whether its sender may say it, but for its time."""
        data = self.said.data
        return self.said.subject, data.service_id, data.meter, data.quantity is None

    def typed(self) -> Typed:
        """As the careful reader gives it, for the rules of admission."""
        said = self.said.data
        data = UsageRecorded.model_construct(
            service_id=said.service_id, meter=said.meter, value=said.value, dimensions=said.dimensions,
            quantity=None if said.quantity is None else Decimal(said.quantity),
        )  # fmt: skip
        attributes = {"id": self.said.id, "source": self.said.source, "type": self.said.type}
        return Typed(Incoming(0, attributes, b""), self.time, data, self.said.subject)

    def encode(self, principal: str, revision: int) -> bytes:
        """As it goes to its inner topic: stamped with who spoke, and with the catalogue that was known."""
        said = self.said
        return _encode(
            _Wire(
                said.specversion, said.id, said.source, said.type, said.subject, self._instant(), said.datacontenttype,
                said.correlationid or said.id, said.traceparent, principal, revision, said.data,
            )
        )  # fmt: skip

    def _instant(self) -> str:
        """The time as it travels; whole seconds of UTC are written so already."""
        return self.said.time if len(self.said.time) == WHOLE_SECONDS else rfc3339(self.time)


def decisive(usage: Sequence[PlainUsage]) -> list[Typed]:
    """Those of some events that decide for all: the earliest, and the latest of those that claim the same.

    The rules of admission look at what an event claims, and at whether its time is too late, or too early.
    """
    latest: dict[Hashable, PlainUsage] = {}
    for item in usage:
        if (before := latest.get(item.claim)) is None or before.time < item.time:
            latest[item.claim] = item
    earliest = min(usage, key=attrgetter("time"))
    found = {id(item): item for item in (*latest.values(), earliest)}
    return [item.typed() for item in found.values()]


def read_plain(headers: Iterable[tuple[str, str]], body: bytes) -> Sequence[PlainUsage] | None:
    """The events of a request, when all of them are plainly usage; header names are in lower case."""
    types = [value for name, value in headers if name in ("content-type", "content-encoding")]
    if len(types) != 1 or not _is_plain(body):
        return None
    try:
        if types[0] in BATCHES:
            found = _items(body)
        elif types[0] in SINGLES:
            found = [msgspec.Raw(body)]
        else:
            return None
        return _read(found)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _is_plain(body: bytes) -> bool:
    """Whether its texts are ASCII without escapes or DEL: they can hold nothing that is refused or written otherwise."""
    return (
        body.isascii()
        and b"\\" not in body
        and b"\x7f" not in body
        and body.count(b",") <= COMMAS_MAX
    )


def _read(items: Sequence[msgspec.Raw]) -> Sequence[PlainUsage] | None:
    """Raises `ValueError` for an event that is anything else."""
    if not 0 < len(items) <= BATCH_EVENTS_MAX:
        return None
    found = []
    for item in items:
        if len(memoryview(item)) >= VALUES_MAX:
            return None
        said = _said(item)
        data = said.data
        if (data.quantity is None) == (data.value is None) or not _TIME.fullmatch(said.time):
            return None
        found.append(PlainUsage(said, datetime.fromisoformat(said.time)))
    return found
