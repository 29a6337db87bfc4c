"""People: technicians and contact persons. Kept sealed, opened only to tell someone whom to call."""

from typing import Any

import msgspec

from services.chassis.sealing import Sealer


class People:
    """Seals and opens persons' data."""

    def __init__(self, master_key: bytes) -> None:
        self._sealer = Sealer(master_key, "people")

    def seal(self, person: dict[str, Any]) -> bytes:
        """A person, sealed."""
        return self._sealer.seal(msgspec.json.encode(person))

    def open(self, sealed: bytes | None) -> dict[str, Any] | None:
        """A person; None when none is known (or was erased)."""
        if sealed is None:
            return None
        person: dict[str, Any] = msgspec.json.decode(self._sealer.open(sealed))
        return person
