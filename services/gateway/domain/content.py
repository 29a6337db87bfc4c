"""What an order says, digested: whether it is the same order when it comes again, also once its persons were erased."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import msgspec

from schemas.envelope import Payload
from schemas.persons import apart

DIGEST_BYTES = 16


class Digests(Protocol):
    """Digests what was said of persons, with a key that may be destroyed."""

    def digest(self, said: Mapping[str, str]) -> bytes:
        """The digest as it is kept."""
        ...

    def may_be(self, digest: bytes, said: Mapping[str, str]) -> bool:
        """Whether this may be what was said."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """Tenant and data of an order. Its time and how it was written do not count.

    Persons are digested apart, with the tenant's key: a digest without a key could be tried out, name by name.
    """

    firm: bytes
    whole: bytes
    """Everything at once, as earlier builds kept it."""
    said: Mapping[str, str]

    @classmethod
    def of(cls, subject: str, data: Payload) -> "Content":
        """The content of an order for a tenant."""
        firm, said = apart(data, "")
        return cls(_digest(subject, firm), _digest(subject, data), said)

    def kept(self, persons: Digests | None) -> bytes:
        """As it is kept. Raises `ValueError` when it names persons, and nobody is there to digest that."""
        if not self.said:
            return self.firm
        if persons is None:
            raise ValueError("what is said of persons is digested with a key")
        return self.firm + persons.digest(self.said)

    def is_what_was(self, kept: bytes, persons: Digests | None) -> bool:
        """Whether this was kept. Once its persons are erased, the rest decides."""
        firm, said = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
        if not said:
            return firm in (self.whole, self.firm)
        return firm == self.firm and (persons is None or persons.may_be(said, self.said))


def _digest(subject: str, data: Payload) -> bytes:
    content = msgspec.json.encode([subject, data.model_dump(mode="json")], order="sorted")
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
