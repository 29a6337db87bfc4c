"""Sealed bytes open under any key that lives, in their own row, and nowhere else."""

import hmac
import os
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.sealing import KeyRing, SealBroken, Sealer

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
ROW = "tenant.contact/1"


def sealed_before(key: bytes, clear: bytes) -> bytes:
    """As an earlier version sealed: no version, no key id, bound to no row."""
    nonce = os.urandom(12)
    return nonce + AESGCM(hmac.digest(key, b"vicino|seal|people", sha256)).encrypt(
        nonce, clear, None
    )


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_was_sealed_opens_under_the_same_or_a_newer_ring(clear: bytes, row: str) -> None:
    made = Sealer(A, "people").seal(clear, row)
    assert (
        Sealer(A, "people").open(made, row)
        == Sealer(KeyRing(B, (A,)), "people").open(made, row)
        == clear
    )


@pytest.mark.parametrize(
    "keys", [A, KeyRing(B, (A,)), KeyRing(C, (B, A))], ids=["one", "replaced", "twice"]
)
def test_what_an_earlier_version_sealed_still_opens(keys: KeyRing | bytes) -> None:
    assert Sealer(keys, "people").open(sealed_before(A, b"Ada"), ROW) == b"Ada"


@pytest.mark.parametrize("row", ["tenant.contact/2", "reseller.contact/1", "", "tenant.contact/1 "])
def test_bytes_copied_to_another_row_do_not_open(row: str) -> None:
    with pytest.raises(SealBroken):
        Sealer(A, "people").open(Sealer(A, "people").seal(b"Ada", ROW), row)


@pytest.mark.parametrize(
    "sealed",
    [Sealer(A, "people").seal(b"Ada", ROW), sealed_before(A, b"Ada")],
    ids=["now", "before"],
)
def test_without_its_key_nothing_opens(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        Sealer(KeyRing(B, (C,)), "people").open(sealed, ROW)


@given(st.data())
def test_one_changed_bit_is_noticed_anywhere(data: st.DataObject) -> None:
    sealed = bytearray(Sealer(A, "people").seal(b"Ada Esempio", ROW))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        Sealer(KeyRing(A, (B,)), "people").open(bytes(sealed), ROW)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(SealBroken):
        Sealer(A, "people").open(data, ROW)


def test_sealing_again_is_for_what_is_not_current_alone() -> None:
    ring = Sealer(KeyRing(B, (A,)), "people")
    current = ring.seal(b"Ada", ROW)
    assert ring.again(current, ROW) == current
    for old in (
        Sealer(A, "people").seal(b"Ada", ROW),
        sealed_before(A, b"Ada"),
        sealed_before(B, b"Ada"),
    ):
        again = ring.again(old, ROW)
        assert (ring.is_current(again), ring.is_current(old)) == (True, False)
        assert Sealer(B, "people").open(again, ROW) == b"Ada"
