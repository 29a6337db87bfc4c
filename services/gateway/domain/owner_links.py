"""The link that opens an owner's page: whose page it is, until when, and a signature. Nothing of it is kept anywhere.

It is signed with a key of the tenant's own: when the person at the tenant is erased, every link dies with the key.
"""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

LASTS = timedelta(days=30)
LINK_CHARACTERS = 76
_CLAIM = struct.Struct(">16sQ")
_SIGNED_BYTES = 57
"""The claim, and the 32 bytes of its signature, and one that says which version it is."""

VERSION = b"\x01"


class LinkBroken(ValueError):
    """It is none of ours, was changed, or has expired."""


@dataclass(frozen=True, slots=True)
class OwnerLink:
    """What a link claims."""

    tenant_id: str
    expires_at: datetime

    @property
    def claim(self) -> bytes:
        """What is signed."""
        instant = int(self.expires_at.timestamp())
        return VERSION + _CLAIM.pack(UUID(self.tenant_id).bytes, instant)

    def written(self, signature: bytes) -> str:
        """The link, as it stands in an address."""
        return urlsafe_b64encode(self.claim + signature).decode().rstrip("=")


def new_link(tenant_id: str, now: datetime) -> OwnerLink:
    """A link from an instant on."""
    return OwnerLink(tenant_id, (now + LASTS).replace(microsecond=0))


def read_link(text: str, now: datetime) -> tuple[OwnerLink, bytes]:
    """What a link claims, and its signature, which is still to be checked. Raises `LinkBroken`."""
    if len(text) != LINK_CHARACTERS:
        raise LinkBroken("not a link of ours")
    try:
        raw = urlsafe_b64decode(text.encode("ascii"))
    except (ValueError, binascii.Error):
        raise LinkBroken("not a link of ours") from None
    if len(raw) != _SIGNED_BYTES or not raw.startswith(VERSION):
        raise LinkBroken("not a link of ours")
    tenant, instant = _CLAIM.unpack(raw[1 : 1 + _CLAIM.size])
    try:
        expires_at = datetime.fromtimestamp(instant, UTC)
    except (ValueError, OverflowError, OSError):
        raise LinkBroken("not a link of ours") from None
    link = OwnerLink(str(UUID(bytes=tenant)), expires_at)
    if expires_at <= now or link.written(raw[1 + _CLAIM.size :]) != text:
        raise LinkBroken("it has expired")
    return link, raw[1 + _CLAIM.size :]
