"""The CloudEvents 1.0 envelope, structured JSON, typed by its data.

A payload class names its wire type and its topic once, where it is defined; publishing needs nothing else.
Extensions: `correlationid` (the story), `causationid` (the parent event), `traceparent`, `principal` (who spoke at
the door), `revision` (the catalogue revision the door had seen when it let the event in), `orderid` (the id the door
answered to the sender of an order), `sealed` (what the event said of persons, in base64: `persons.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from pydantic import ValidationError

from schemas.reasons import Reason
from schemas.scalars import Value, read_instant, rfc3339, storable
from schemas.topics import Topic

SPEC_VERSION = "1.0"
ATTRIBUTE_LENGTH_MAX = 255


class Payload(Value):
    """The data of an event. Subclasses name their wire type and topic as class arguments."""

    wire_type: ClassVar[str] = ""
    topic: ClassVar[Topic]

    def __init_subclass__(
        cls, *, type: str = "", topic: Topic | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not type or topic is None:
            return
        if type in PAYLOADS:
            raise TypeError(f"{type} is defined twice")
        cls.wire_type, cls.topic = type, topic
        PAYLOADS[type] = cls


PAYLOADS: dict[str, type[Payload]] = {}
"""Every known event type. Filled by the payload modules; import `schemas.events` to be sure that all are loaded."""

Data = TypeVar("Data", bound=Payload, covariant=True)
PayloadT = TypeVar("PayloadT", bound=Payload)


@dataclass(frozen=True, slots=True)
class Event(Generic[Data]):
    """One fact. `subject` is the tenant id, and the Kafka key, of everything but the catalogue."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    principal: str | None = None
    revision: int | None = None
    order_id: str | None = None
    sealed: str | None = None

    def encode(self) -> bytes:
        """This event as structured JSON, the same bytes for the same event."""
        return encode(self, self.data.model_dump_json().encode())


class Malformed(ValueError):
    """An event that cannot be read. `reason` is a stable code; the message never repeats the input."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Wire(msgspec.Struct):
    """The envelope as it is on the wire, its data still unread."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: msgspec.Raw
    datacontenttype: str = "application/json"
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    principal: str | None = None
    revision: int | None = None
    orderid: str | None = None
    sealed: str | None = None


_decoder = msgspec.json.Decoder(Wire)
_encoder = msgspec.json.Encoder()


def peek(raw: bytes) -> Wire:
    """Read the envelope without its data: cheap, so that a reader may pass over types it has no use for.

    Raises `Malformed`: `not_json`, `too_deep`, `bad_envelope`, `bad_text`.
    """
    try:
        wire = _decoder.decode(raw)
    except RecursionError:
        raise Malformed(Reason.TOO_DEEP, "nested beyond what a reader can follow") from None
    except msgspec.ValidationError as error:
        raise Malformed(Reason.BAD_ENVELOPE, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(Reason.NOT_JSON, str(error)) from None
    _check_attributes(wire)
    return wire


def _check_attributes(wire: Wire) -> None:
    if wire.specversion != SPEC_VERSION:
        raise Malformed(Reason.BAD_ENVELOPE, "specversion must be 1.0")
    for name in ("id", "source", "type", "subject", "principal"):
        value = getattr(wire, name)
        if value is None:
            continue
        if not 0 < len(value) <= ATTRIBUTE_LENGTH_MAX:
            raise Malformed(
                Reason.BAD_ENVELOPE, f"{name} must have 1 to {ATTRIBUTE_LENGTH_MAX} characters"
            )
        try:
            storable(value)
        except ValueError as error:
            raise Malformed(Reason.BAD_TEXT, f"{name}: {error}") from None


def decode(raw: bytes) -> Event[Payload]:
    """Read an event of a known type. Raises `Malformed`, also with `unknown_type`, `bad_time`, `bad_data`."""
    return typed(peek(raw))


def typed(wire: Wire) -> Event[Payload]:
    """Read the data of an envelope that was peeked at."""
    model = PAYLOADS.get(wire.type)
    if model is None:
        raise Malformed(Reason.UNKNOWN_TYPE, "no such event type")
    try:
        time = read_instant(wire.time)
    except ValueError as error:
        raise Malformed(Reason.BAD_TIME, str(error)) from None
    try:
        data = model.model_validate_json(bytes(wire.data))
    except ValidationError as error:
        raise Malformed(Reason.BAD_DATA, faults(error)) from None
    return Event(
        wire.id, wire.source, wire.type, wire.subject, time, data,
        wire.correlationid, wire.causationid, wire.traceparent, wire.principal, wire.revision,
        wire.orderid, wire.sealed,
    )  # fmt: skip


def faults(error: ValidationError) -> str:
    """What pydantic found, by place and message, without the input."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"/{'/'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in found[:5])


def encode(event: Event[Any], data: bytes) -> bytes:
    """An envelope around data that is JSON already."""
    wire: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": rfc3339(event.time),
        "datacontenttype": "application/json",
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "traceparent": event.traceparent,
        "principal": event.principal,
        "revision": event.revision,
        "orderid": event.order_id,
        "sealed": event.sealed,
    }
    present = {name: value for name, value in wire.items() if value is not None}
    return _encoder.encode({**present, "data": msgspec.Raw(data)})
