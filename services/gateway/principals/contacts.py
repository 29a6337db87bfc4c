"""Contacts: technicians and contact persons. Stored sealed, opened only for a notification that says whom to call.

What is known of persons at a tenant is sealed under a key of that tenant. The key itself is kept sealed under the master
key, in one row. Once the row is gone, nobody can read any copy: not in a table, a topic, a dead letter or a log.
"""

import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b, sha256
from typing import Any

import msgspec

from schemas.envelope import Event, PayloadT
from schemas.identity import event_name
from schemas.persons import apart
from services.chassis.sealing import HEAD_BYTES, VERSION, KeyRing, Sealer, key_id

PURPOSE = "people"
KEYS_PURPOSE = "tenant-key"
KEY_BYTES = 32
DIGEST_BYTES = 16


class Persons:
    """Seals and opens what is known of persons at one tenant."""

    def __init__(self, key: bytes) -> None:
        self._sealer, self.key_id = Sealer(key, PURPOSE), key_id(key)
        self._digest_key = hmac.digest(key, b"vicino|digest", sha256)
        self._link_key = hmac.digest(key, b"vicino|owner's link", sha256)

    def seal(self, said: Mapping[str, Any], place: str) -> bytes:
        """What is known, sealed for a place."""
        return self._sealer.seal(msgspec.json.encode(said), place)

    def open(self, sealed: bytes, place: str) -> dict[str, Any]:
        """What was sealed for a place. Raises `SealBroken`, also for what was sealed under a key of before an erasure."""
        said: dict[str, Any] = msgspec.json.decode(self._sealer.open(sealed, place))
        return said

    def digest(self, said: Mapping[str, str]) -> bytes:
        """Shows whether the same was said again, and nothing else: without the key, a guessed name cannot be verified."""
        content = msgspec.json.encode(said, order="sorted")
        return (
            self.key_id + blake2b(content, key=self._digest_key, digest_size=DIGEST_BYTES).digest()
        )

    def may_be(self, digest: bytes, said: Mapping[str, str]) -> bool:
        """Whether this may be what was said. A digest of before an erasure shows nothing any more: then it may."""
        if not digest.startswith(self.key_id):
            return True
        return hmac.compare_digest(digest, self.digest(said))

    def sign_link(self, claim: bytes) -> bytes:
        """The signature of a link that opens the page of the tenant's owner."""
        return hmac.digest(self._link_key, claim, sha256)

    def seal_event(self, event: Event[PayloadT]) -> Event[PayloadT]:
        """The event as it travels: with stand-ins for what names persons, and what it said of them sealed beside."""
        data, said = apart(event.data, event.principal or "-")
        if not said:
            return event
        sealed = b64encode(self.seal(said, place_of(event))).decode()
        return replace(event, data=data, sealed=sealed)


def place_of(event: Event[Any]) -> str:
    """What an event's sealed part is bound to: the event."""
    return "event.sealed/" + event_name(event.subject, event.source, event.id, event.principal)


def key_named(sealed: bytes) -> bytes:
    """The id of the key that sealed bytes name; empty for those that name none."""
    return sealed[len(VERSION) : HEAD_BYTES] if sealed.startswith(VERSION) else b""


class Contacts:
    """Seals and opens persons' data under the master key: technicians, contacts of earlier builds, and tenants' keys."""

    def __init__(self, keys: KeyRing | bytes) -> None:
        self._sealer, self._keys = Sealer(keys, PURPOSE), Sealer(keys, KEYS_PURPOSE)

    def seal(self, person: dict[str, Any], row: str) -> bytes:
        """A person, sealed for a row (`sealed.py` names them)."""
        return self._sealer.seal(msgspec.json.encode(person), row)

    def open(self, sealed: bytes | None, row: str) -> dict[str, Any] | None:
        """A person; None when none is known (or was erased). Raises `SealBroken`."""
        if sealed is None:
            return None
        person: dict[str, Any] = msgspec.json.decode(self._sealer.open(sealed, row))
        return person

    def new_key(self, row: str) -> tuple[bytes, bytes]:
        """A key for a tenant: its id, and the key sealed for its row."""
        key = os.urandom(KEY_BYTES)
        return key_id(key), self._keys.seal(key, row)

    def persons(self, sealed_key: bytes, row: str) -> Persons:
        """Who seals and opens under a tenant's key. Raises `SealBroken`."""
        return Persons(self._keys.open(sealed_key, row))
