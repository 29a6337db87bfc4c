"""Rows that leave with a transaction: facts for the outbox, jobs to be written or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

FACT_BYTES_MAX = 900_000
"""A little under Kafka's default limit of a message, so that no fact can get stuck in the outbox."""


NAME_BYTES_MAX = 200
"""Of a lane, a limit or a party: PostgreSQL's indexes take no row beyond 2.7 kB."""


def bounded(name: str) -> str:
    """A name as it is stored: one that is too long, or has what PostgreSQL cannot store, is replaced by its hash."""
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= NAME_BYTES_MAX and name.isprintable():
        return name
    readable = "".join(letter for letter in name[:40] if letter.isascii() and letter.isprintable())
    return f"{readable}#{blake2b(raw, digest_size=16).hexdigest()}"


class FactTooLarge(ValueError):
    """A fact is larger than Kafka would take."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the outbox. Raises `FactTooLarge` rather than be what Kafka would refuse."""

    id: UUID
    topic: str
    subject: str
    type: str
    key: bytes | None
    payload: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()

    def __post_init__(self) -> None:
        size = len(self.key or b"") + len(self.payload or b"")
        size += sum(len(name) + len(value or b"") for name, value in self.headers)
        if size > FACT_BYTES_MAX:
            raise FactTooLarge(f"{self.type} would have {size} bytes, more than {FACT_BYTES_MAX}")


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget by name: at most `places` jobs of it run at a time, whatever their kind, over all copies of a service.

    The name says what is spared, such as `receiver:acme` or `driver:postgres`.
    """

    name: str
    places: int

    def __post_init__(self) -> None:
        if not self.name or self.places < 1:
            raise ValueError("a limit has a name and at least one place")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job to be written. Its lane, limit and party say when it may run beside others."""

    id: UUID
    kind: str
    key: str | None
    args: dict[str, Any]
    run_at: datetime
    correlation_id: str | None
    causation_id: str | None
    lane: str | None = None
    limit: Limit | None = None
    party: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The row of the job that ends with this transaction, if the lease is still ours."""

    id: UUID
    token: UUID
    kind: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A keyed job to be removed."""

    kind: str
    key: str
