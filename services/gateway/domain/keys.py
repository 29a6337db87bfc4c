"""API keys: `kid.secret`. The secret has 256 random bits, so a plain SHA-256 of it is safe to keep."""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

KEY_ID_BYTES = 9
SECRET_BYTES = 32


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


def split(text: str) -> tuple[str, str]:
    """Key id and secret of a presented key."""
    key_id, _, secret = text.partition(".")
    return key_id, secret


def matches(secret: str, secret_hash: bytes) -> bool:
    """Whether a presented secret is the kept one, in constant time."""
    return hmac.compare_digest(hashed(secret), secret_hash)


def new_webhook_secret() -> str:
    """A signing secret in Standard Webhooks form: `whsec_` and 32 random bytes in base64."""
    from base64 import b64encode

    return "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
