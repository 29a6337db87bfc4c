"""Rows that leave with a transaction: facts for the outbox, jobs to be written or taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the outbox."""

    id: UUID
    topic: str
    subject: str
    type: str
    key: bytes | None
    payload: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job to be written, or taken away."""

    id: UUID
    kind: str
    key: str | None
    args: dict[str, Any]
    run_at: datetime
    correlation_id: str | None
    causation_id: str | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A keyed job to be taken away."""

    kind: str
    key: str
