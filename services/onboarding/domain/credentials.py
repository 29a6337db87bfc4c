"""Credentials of service instances: never stored, the same at every attempt.

Names come from the service id, passwords from the master key, so that under another key a database is still found.

The database is given a SCRAM-SHA-256 verifier (RFC 5802, RFC 7677), so that the password itself is in no statement and
no log. Rotating the master key gives every login another password.
"""

import hmac
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256

SCRAM_ITERATIONS = 4096
"""PostgreSQL's own default; the password has 256 bits, so that stretching adds nothing."""

SALT_BYTES = 16
NAME_HEX_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a service instance's users reach its database."""

    database: str
    role: str
    password: str
    verifier: str

    def __repr__(self) -> str:
        return f"Credentials(database={self.database!r}, role={self.role!r})"


def _derive(master_key: bytes, purpose: str, service_id: str, generation: int) -> bytes:
    return hmac.digest(master_key, f"vicino|{purpose}|{service_id}|{generation}".encode(), sha256)


def scram_verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL keeps of a password: `SCRAM-SHA-256$iterations:salt$stored:server`."""
    salted = pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored = sha256(hmac.digest(salted, b"Client Key", sha256)).digest()
    server = hmac.digest(salted, b"Server Key", sha256)
    salt_text, stored_text, server_text = (
        b64encode(part).decode() for part in (salt, stored, server)
    )
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def name_of(service_id: str) -> str:
    """What the database and the login of a service instance are called."""
    return "s_" + sha256(f"vicino|name|{service_id}".encode()).hexdigest()[:NAME_HEX_DIGITS]


def name_before(master_key: bytes, service_id: str) -> str:
    """What they were called when names still came from the master key; those keep their names."""
    return "s_" + _derive(master_key, "name", service_id, 0).hex()[:NAME_HEX_DIGITS]


def derive(master_key: bytes, service_id: str, generation: int = 1, name: str = "") -> Credentials:
    """The credentials of a service instance; `name` is the one it has, if that is not `name_of` its id.

    Names do not change with the generation or the key, the password does.
    """
    name = name or name_of(service_id)
    password = (
        urlsafe_b64encode(_derive(master_key, "password", service_id, generation))
        .decode()
        .rstrip("=")
    )
    salt = _derive(master_key, "salt", service_id, generation)[:SALT_BYTES]
    return Credentials(name, name, password, scram_verifier(password, salt))
