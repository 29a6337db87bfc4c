"""Which addresses the HTTP driver may call: what the operator listed, however it is written, and nothing else."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.onboarding.domain.allowing import Allowed, allowed

ANYWHERE = [
    "127.0.0.1",
    "10.0.0.7",
    "169.254.169.254",
    "8.8.8.8",
    "::1",
    "fe80::1",
    "2a00::1",
    "::ffff:10.0.0.7",
]


@pytest.mark.parametrize("address", ANYWHERE)
def test_an_empty_list_allows_nothing(address: str) -> None:
    assert not allowed(" , ").permits("backend.example.it", 443, [address])
    assert not Allowed().permits(address, 80, [address])


@pytest.mark.parametrize(
    ("text", "host", "port", "address", "is_allowed"),
    [
        ("10.0.0.0/8", "x", 80, "10.0.0.7", True), ("10.0.0.0/8", "x", 80, "11.0.0.7", False),
        ("10.0.0.7", "10.0.0.7", 80, "10.0.0.7", True), ("10.0.0.7:8080", "x", 8080, "10.0.0.7", True),
        ("10.0.0.7:8080", "x", 80, "10.0.0.7", False), ("10.0.0.0/8", "x", 80, "::ffff:10.0.0.7", True),
        ("10.0.0.0/8", "x", 80, "::ffff:11.0.0.7", False), ("::1", "x", 80, "::1", True),
        ("[::1]:80", "x", 80, "::1", True), ("[::1]:80", "x", 81, "::1", False), ("2a00::/16", "x", 1, "2a00::1", True),
        ("0.0.0.0/0", "x", 80, "2a00::1", False), ("169.254.169.254", "x", 80, "169.254.169.254", True),
        ("b.example.it", "b.example.it", 1, "8.8.8.8", True), ("B.Example.it.", "b.example.IT.", 1, "8.8.8.8", True),
        ("b.example.it", "xb.example.it", 1, "8.8.8.8", False), ("b.example.it", "a.b.example.it", 1, "8.8.8.8", False),
        ("*.example.it", "a.b.example.it", 1, "8.8.8.8", True), ("*.example.it", "example.it", 1, "8.8.8.8", False),
        ("*.example.it", "badexample.it", 1, "8.8.8.8", False), ("b.example.it:443", "b.example.it", 80, "8.8.8.8", False),
        ("b.example.it", "b.example.it", 80, "169.254.169.254", False), ("b.example.it", "b.example.it", 80, "fe80::1", False),
        ("b.example.it", "b.example.it", 80, "0.0.0.0", False),
        ("b.example.it", "b.example.it", 80, "::ffff:169.254.169.254", False),
        ("backend", "backend", 80, "172.18.0.4", True), ("my_backend:81", "my_backend", 81, "172.18.0.4", True),
    ],
)  # fmt: skip
def test_what_is_listed_is_allowed(
    text: str, host: str, port: int, address: str, is_allowed: bool
) -> None:
    assert allowed(text).permits(host, port, [address]) == is_allowed
    assert allowed(f"elsewhere.example.it, {text}").permits(host, port, [address]) == is_allowed


def test_all_addresses_of_a_name_must_be_listed() -> None:
    assert not allowed("10.0.0.0/8").permits("x", 80, ["10.0.0.7", "192.168.0.1"])
    assert not allowed("10.0.0.0/8").permits("x", 80, [])


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1/8", "10.0.0.256", "10.0.0.0/33", "b.example.it:0", "b.example.it:65536", "http://b.example.it", "a b",
     "*", "*.*.it", "b.example.it/path", "[10.0.0.1", "u@b.example.it", "1.2.3", "-b.it", "b..it", "b.it:x", "[b.it]:80"],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no name|has no port"):
        allowed(text)


@given(st.integers(0, 32), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_network_allows_exactly_its_addresses(length: int, base: int, other: int) -> None:
    network = IPv4Network((base, length), strict=False)
    address = IPv4Address(other)
    assert allowed(str(network)).permits(str(address), 80, [str(address)]) == (address in network)
