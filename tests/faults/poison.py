"""Bad records of every class: what a partner's mistake, or malice, may put on a topic."""

import json
import random
from collections.abc import Callable
from typing import Any

Parts = tuple[bytes | None, bytes | None, list[tuple[str, Any]]]

GOOD = {
    "specversion": "1.0", "id": "poison", "source": "/poison", "type": "vicino.acknowledgement.given.v1", "subject": "tenant-0",
    "time": "2026-11-01T00:00:00Z", "data": {"alert_id": "00000000-0000-0000-0000-000000000001", "by": "x"},
}  # fmt: skip


def _with(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def _data(**changes: Any) -> bytes:
    return _with(data={**GOOD["data"], **changes})  # type: ignore[dict-item]


def _plain(value: bytes | None) -> Callable[[random.Random], Parts]:
    return lambda dice: (f"k{dice.randrange(9)}".encode(), value, [])


POISON: tuple[Callable[[random.Random], Parts], ...] = (
    _plain(None),  # a tombstone
    _plain(b""),
    _plain(b"not json"),
    _plain(b"\xff\xfe\x00"),
    _plain(b"[1, 2, 3]"),
    _plain(b'{"specversion": "1.0"'),
    _plain(b'{"a": NaN}'),
    _plain(b"[" * 100_000 + b"]" * 100_000),
    _plain(_with(specversion="0.3")),
    _plain(_with(id="")),
    _plain(_with(subject="a\x00b")),
    _plain(_with(type="somebody.else.v1")),
    _plain(_with(time="2026-11-01T00:00:00")),
    _plain(_with(time="9999-99-99T00:00:00Z")),
    _plain(_data(alert_id="not a uuid")),
    _plain(_data(by="a\x00b")),
    _plain(_data(by=7)),
    _plain(_with(data={})),
    lambda dice: (b"k" * 200_000, b"a key of 200 kB", []),
    lambda dice: (None, b"no key", [("header", b"\xff\xfe")]),
    lambda dice: (b"k", b"null header", [("header", None)]),
)
"""None of these can be read."""


def refused(_: random.Random) -> Parts:
    """Sound, but refused by its record handler, which must leave nothing behind."""
    return b"k", _data(by="refuse me"), [("content-type", b"application/json")]
