"""Sealing: what may be kept only in cipher. AES-256-GCM with a key of its own per purpose; tampering is noticed."""

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class SealBroken(ValueError):
    """Sealed data were changed, or sealed with another key."""


class Sealer:
    """Seals and opens for one purpose. The purpose separates keys: what was sealed for one cannot be opened for another."""

    def __init__(self, master_key: bytes, purpose: str) -> None:
        self._cipher = AESGCM(hmac.digest(master_key, f"vicino|seal|{purpose}".encode(), sha256))

    def seal(self, clear: bytes) -> bytes:
        """Sealed bytes: nonce, then cipher text."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, clear, None)

    def open(self, sealed: bytes) -> bytes:
        """The clear bytes. Raises `SealBroken`."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except InvalidTag:
            raise SealBroken("sealed data were changed, or sealed with another key") from None
