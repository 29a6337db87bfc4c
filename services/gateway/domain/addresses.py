"""Where a webhook may go: public addresses, by https. Everything that could reach inside is refused."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

PORTS = (443, 8443)
DEFAULT_PORTS = {"https": 443, "http": 80}
_CLOSED: tuple[IPv4Network | IPv6Network, ...] = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("fec0::/10"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
    IPv6Network("::/96"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
)
"""What `is_global` lets through although it embeds, or is, something inside: NAT64, 6to4 and its relays, Teredo and other
IETF protocols, site-local, documentation, segment routing, IPv4-compatible, and the inside of a cloud's machines."""

_INSIDE = frozenset(
    {"localhost", "local", "internal", "lan", "home", "corp", "intranet", "private", "arpa"}
)
"""Last labels of names that lead nowhere in the public internet."""

_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
"""A host name in ASCII (Punycode for others), or an IP address: nothing that two parsers could read differently."""


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""A host name: labels of 1 to 63 characters (RFC 1035), with the underscore that some have all the same."""


class AddressRefused(ValueError):
    """A webhook address is refused."""


def is_public(address: str) -> bool:
    """Whether an IP address lies in the public internet."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    closed = any(ip.version == network.version and ip in network for network in _CLOSED)
    return ip.is_global and not (closed or ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def check_url(url: str, allow_private: bool) -> tuple[str, int]:
    """Host and port of a webhook address. Raises `AddressRefused`; names are resolved and checked when it is used."""
    try:
        parts = urlsplit(url)
        host, port = (
            parts.hostname,
            parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme, 0),
        )
    except ValueError:
        raise AddressRefused("a webhook address is an https URL") from None
    if (
        parts.scheme not in ("https", "http")
        or not host
        or not _HOST.fullmatch(host)
        or not url.isprintable()
    ):
        raise AddressRefused("a webhook address is an https URL")
    if "@" in parts.netloc or parts.fragment or "\\" in url or " " in url:
        raise AddressRefused(
            "a webhook address has no user, password, fragment, blank or backslash"
        )
    if not 0 < port < 65_536 or not (_is_literal(host) or _NAME.fullmatch(host.rstrip("."))):
        raise AddressRefused("a webhook address is an https URL")
    if not allow_private:
        _check_public(parts.scheme, host, port)
    return host, port


def _check_public(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise AddressRefused("a webhook address is an https URL")
    if port not in PORTS:
        raise AddressRefused(f"a webhook address uses port {' or '.join(map(str, PORTS))}")
    if _is_literal(host):
        if not is_public(host):
            raise AddressRefused("the address is not in the public internet")
        return
    labels = host.rstrip(".").lower().split(".")
    # A last label that is a number makes the whole an IPv4 address for many parsers: 2130706433, 0x7f.1.
    if len(labels) < 2 or not all(labels) or labels[-1] in _INSIDE or _NUMBER.fullmatch(labels[-1]):
        raise AddressRefused("a webhook address has a full name in the public internet")


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
