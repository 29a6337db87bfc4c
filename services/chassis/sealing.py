"""Sealing: what may be kept only in cipher. AES-256-GCM with a key of its own per purpose; tampering is noticed.

Sealed bytes name the key they were sealed with, so that two keys can live while one is replaced, and are bound to the
row they belong to: copied to another row, they do not open.
"""

import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_ID_BYTES = 6
VERSION = b"VS\x02"
"""What sealed bytes begin with; before there were versions, they began with the nonce."""

HEAD_BYTES = len(VERSION) + KEY_ID_BYTES


class SealBroken(ValueError):
    """Sealed data were changed, belong to another row, or were sealed with a key that is not there."""


@dataclass(frozen=True, repr=False)
class KeyRing:
    """Master keys: the current one, with which everything is made, and older ones, which still open."""

    current: bytes
    old: tuple[bytes, ...] = ()

    def __iter__(self) -> Iterator[bytes]:
        """All of them, the current one first."""
        return iter((self.current, *self.old))

    def by_id(self, identifier: bytes) -> bytes | None:
        """The key of an id."""
        return next((key for key in self if key_id(key) == identifier), None)


def key_id(master_key: bytes) -> bytes:
    """What a key is called: it says nothing of the key."""
    return hmac.digest(master_key, b"vicino|key id", sha256)[:KEY_ID_BYTES]


def ring_of(keys: KeyRing | bytes) -> KeyRing:
    """A ring, also of one key."""
    return keys if isinstance(keys, KeyRing) else KeyRing(keys)


class Sealer:
    """Seals and opens for one purpose. The purpose separates keys: what was sealed for one cannot be opened for another."""

    def __init__(self, keys: KeyRing | bytes, purpose: str) -> None:
        ring = ring_of(keys)
        self._purpose, self._current = purpose, key_id(ring.current)
        self._ciphers = {
            key_id(key): AESGCM(hmac.digest(key, f"vicino|seal|{purpose}".encode(), sha256))
            for key in ring
        }

    def seal(self, clear: bytes, row: str = "") -> bytes:
        """Sealed bytes: version, key id, nonce, cipher text. `row` names the place they are kept at: table, column, id."""
        nonce = os.urandom(NONCE_BYTES)
        head = VERSION + self._current
        return (
            head + nonce + self._ciphers[self._current].encrypt(nonce, clear, head + row.encode())
        )

    def open(self, sealed: bytes, row: str = "") -> bytes:
        """The clear bytes. Raises `SealBroken`."""
        for cipher, nonce, body, bound in self._readings(sealed, row):
            try:
                return cipher.decrypt(nonce, body, bound)
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        raise SealBroken(
            "sealed data were changed, belong to another row, or were sealed with another key"
        )

    def is_current(self, sealed: bytes) -> bool:
        """Whether the bytes are of this version, under the current key."""
        return sealed[:HEAD_BYTES] == VERSION + self._current

    def again(self, sealed: bytes, row: str) -> bytes:
        """The same, sealed under the current key and for this row. Raises `SealBroken`."""
        return sealed if self.is_current(sealed) else self.seal(self.open(sealed, row), row)

    def _readings(
        self, sealed: bytes, row: str
    ) -> Iterator[tuple[AESGCM, bytes, bytes, bytes | None]]:
        """The ways to read the bytes: as they say, or, since any bytes may be a nonce, as before there were versions."""
        head, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:]
        if (
            head.startswith(VERSION)
            and (cipher := self._ciphers.get(head[len(VERSION) :])) is not None
        ):
            yield cipher, rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + row.encode()
        for cipher in self._ciphers.values():
            yield cipher, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None
