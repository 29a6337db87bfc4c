"""People: technicians and contact persons. Kept sealed, opened only to tell someone whom to call."""

from typing import Any

import msgspec

from services.chassis.sealing import KeyRing, Sealer

PURPOSE = "people"


class People:
    """Seals and opens persons' data."""

    def __init__(self, keys: KeyRing | bytes) -> None:
        self._sealer = Sealer(keys, PURPOSE)

    def seal(self, person: dict[str, Any], row: str) -> bytes:
        """A person, sealed for a row (`sealed.py` names them)."""
        return self._sealer.seal(msgspec.json.encode(person), row)

    def open(self, sealed: bytes | None, row: str) -> dict[str, Any] | None:
        """A person; None when none is known (or was erased). Raises `SealBroken`."""
        if sealed is None:
            return None
        person: dict[str, Any] = msgspec.json.decode(self._sealer.open(sealed, row))
        return person
