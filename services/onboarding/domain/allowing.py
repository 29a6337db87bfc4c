"""Which addresses the HTTP driver may call: those that the operator listed, and no others.

A catalogue names the back-ends of services. Without a list, whoever may write a catalogue could have any address inside
called: a cloud's metadata service, a database's port.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ENTRY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:/\d{1,3})?)\]|(?P<host>[^\[\]:]+))(?::(?P<port>\d{1,5}))?"
)
_NAME = re.compile(
    r"(?:\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)


def plain_ip(text: str) -> Ip:
    """An address; one of version 4 in the clothes of version 6 as what it is. Raises `ValueError`."""
    found = ip_address(text.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: a network or a name, at one port or at any."""

    network: Network | None
    name: str
    port: int | None

    def has_name(self, host: str, port: int) -> bool:
        """Whether a host's name is listed: itself, or the domain above it for `*.domain`."""
        if not self.name or self.port not in (None, port):
            return False
        return (
            host.endswith(self.name[1:]) and host != self.name[2:]
            if self.name[0] == "*"
            else host == self.name
        )

    def has_address(self, address: Ip, port: int) -> bool:
        """Whether an address is listed."""
        network = self.network
        return (
            network is not None
            and self.port in (None, port)
            and address.version == network.version
            and address in network
        )


@dataclass(frozen=True, slots=True)
class Allowed:
    """The list. Empty: nothing may be called."""

    entries: tuple[Entry, ...] = ()

    def permits(self, host: str, port: int, addresses: Sequence[str]) -> bool:
        """Whether a host may be called that has these addresses.

        Each address is in a listed network; or the name is listed, and none of them is one that no back-end has.
        """
        name, found = host.rstrip(".").lower(), [plain_ip(address) for address in addresses]
        is_named = any(entry.has_name(name, port) for entry in self.entries)
        return bool(found) and all(
            any(entry.has_address(address, port) for entry in self.entries)
            or (is_named and not _is_nobodys(address))
            for address in found
        )  # fmt: skip


def _is_nobodys(address: Ip) -> bool:
    """Where no back-end is: link-local, as a cloud's metadata service, and what is no single machine."""
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def allowed(text: str) -> Allowed:
    """The list from its text: names, `*.domain`, addresses or networks, each with `:port` if wanted, commas between.

    Raises `ValueError` for an entry that is none of these.
    """
    return Allowed(tuple(_entry(part.strip()) for part in text.split(",") if part.strip()))


def _entry(text: str) -> Entry:
    try:
        return Entry(ip_network(text), "", None)  # also of version 6 without brackets
    except ValueError:
        pass
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no name, address or network")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    host = (found["six"] or found["host"]).rstrip(".").lower()
    try:
        return Entry(ip_network(host), "", port)
    except ValueError as error:
        # What begins like an address, or has a mask, was meant as one: 10.0.0.1/8 is a slip, no name.
        if (
            found["six"]
            or "/" in host
            or host.rpartition(".")[2].isdecimal()
            or not _NAME.fullmatch(host)
        ):
            raise ValueError(f"{text!r} is no name, address or network: {error}") from None
    return Entry(None, host, port)
