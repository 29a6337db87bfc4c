"""Where a webhook may go: public addresses, by https. Everything that could reach inside is refused."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

PORTS = (443, 8443)
_CLOSED: tuple[IPv4Network | IPv6Network, ...] = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("fec0::/10"),
    IPv4Network("192.0.0.0/24"),
)
"""What `is_global` lets through although it embeds, or is, something inside: NAT64, 6to4, site-local, IETF protocol."""


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
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressRefused("a webhook address is an https URL")
    if parts.username or parts.password or parts.fragment:
        raise AddressRefused("a webhook address has no user, password or fragment")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if allow_private:
        return parts.hostname, port
    if parts.scheme != "https":
        raise AddressRefused("a webhook address is an https URL")
    if port not in PORTS:
        raise AddressRefused(f"a webhook address uses port {' or '.join(map(str, PORTS))}")
    return parts.hostname, port
