"""API keys: `kid.secret`. The secret has 256 random bits, so a plain SHA-256 of it is safe to keep."""

import hmac
import re
import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

KEY_ID_BYTES = 9
SECRET_BYTES = 32
LIVE_KEYS_MAX = 2
"""Two, so that a new key can be in use before the old one ends."""

SECRET_OVERLAP = timedelta(hours=24)
"""How long a signing secret signs along after it is replaced."""

PAST_SECRETS_MAX = 4
"""Signing secrets before the current one, at most: each makes every webhook's signature longer."""

_FORM = re.compile(r"([0-9a-f]{18})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is handed out, once, and as it is kept."""

    key_id: str
    text: str
    secret_hash: bytes


def new_key() -> NewKey:
    """A fresh key."""
    key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(key_id, f"{key_id}.{secret}", hashed(secret))


def hashed(secret: str) -> bytes:
    """What is kept of a secret."""
    return sha256(secret.encode()).digest()


def split(text: str) -> tuple[str, str] | None:
    """Key id and secret of a presented key; None when it does not look like one, and need not be looked up."""
    found = _FORM.fullmatch(text)
    return (found[1], found[2]) if found else None


def matches(secret: str, secret_hash: bytes) -> bool:
    """Whether a presented secret is the kept one, in constant time."""
    return hmac.compare_digest(hashed(secret), secret_hash)


def same(presented: str, expected: str) -> bool:
    """Whether two tokens are the same, in constant time."""
    return hmac.compare_digest(presented.encode(), expected.encode())


def new_webhook_secret() -> str:
    """A signing secret in Standard Webhooks form: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
