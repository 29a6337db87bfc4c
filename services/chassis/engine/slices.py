"""A slice: consecutive records of one partition, and the unit of work that takes them."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.topics import Topic
from services.chassis import store
from services.chassis.database import Connection
from services.chassis.engine.batches import Record
from services.chassis.engine.notices import notify_sender
from services.chassis.pending import Fact
from services.chassis.store import Log
from services.chassis.texts import bounded
from services.chassis.unit import Cause, Parcel, Unit, dead_letter

MIRROR_BYTES_MAX = 500_000
"""What of a rejected record's value goes to the dead-letter topic; the `reject` row keeps all of it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one partition, none of them acted on before."""

    topic: Topic
    log: Log
    records: Sequence[Record]


class SliceUnit(Unit):
    """The unit of work of a whole slice."""

    def __init__(
        self, db: Connection, service: str, now: datetime, piece: Slice, wait_seconds_max: float = 0
    ) -> None:  # fmt: skip
        seed = f"{piece.log.log_id}|{piece.log.part}|{piece.records[0].offset}"
        self.parcel = Parcel()
        super().__init__(db, service, now, Cause(seed), self.parcel)
        self.rejected: list[store.Reject] = []
        self.wait_seconds_max = wait_seconds_max
        """How long a record may wait for what it builds on."""
        self._piece = piece

    @property
    def log(self) -> store.Log:
        """Where the slice was read."""
        return self._piece.log

    def reject(
        self, record: Record, reason: str, detail: str, tenant_id: str | None = None
    ) -> None:
        """Keep a record that cannot be acted on, with its reason, mirror it to the dead letters, and notify its sender."""
        detail = bounded(detail)
        headers = [
            (name, None if value is None else b64encode(value).decode())
            for name, value in _headers(record)
        ]
        self.rejected.append(
            store.Reject(
                self._piece.log,
                record.offset,
                tenant_id,
                reason,
                detail,
                record.key,
                record.value,
                headers,
            )
        )
        self.parcel.facts.append(_mirror(self._piece, self.service, record, reason, detail))
        alone = self.about(rejection_of(self._piece.log, record.offset))
        notify_sender(record.value, reason, detail, self.service, alone)

    async def flush(self) -> None:
        """Write what leaves, and what stays as a reject."""
        if self.rejected:
            await store.keep_rejects(self.db, self.rejected)
        await super().flush()


def rejection_of(log: Log, offset: int) -> str:
    """The cause of what follows from a rejection: the same in whichever slice, retry or job the record is refused."""
    return f"rejected|{log.topic}|{log.log_id}|{log.part}|{offset}"


def _headers(record: Record) -> list[tuple[str, bytes | None]]:
    return [(bounded(name), value) for name, value in record.headers]


def _mirror(piece: Slice, service: str, record: Record, reason: str, detail: str) -> Fact:
    value = record.value
    cut = value is not None and len(value) > MIRROR_BYTES_MAX
    told = {
        "topic": piece.topic.name,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": service,
        "exception.class.name": reason,
        "exception.message": detail,
        "truncated": str(cut).lower(),
    }
    headers = [(f"__connect.errors.{name}", text.encode()) for name, text in told.items()]
    seed = f"{piece.log.log_id}|{record.partition}|{record.offset}"
    return dead_letter(
        piece.topic, seed, record.key, value[:MIRROR_BYTES_MAX] if cut and value else value, headers
    )


SliceHandler = Callable[[Slice, SliceUnit], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SliceRoute:
    """A slice handler and the topic it takes."""

    topic: Topic
    handler: SliceHandler


def on_slice(topic: Topic, handler: SliceHandler) -> SliceRoute:
    """Route all records of a topic to a slice handler."""
    return SliceRoute(topic, handler)
