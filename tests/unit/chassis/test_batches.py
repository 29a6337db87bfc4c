"""A batch unpacks to what was packed, or is refused before it has swollen."""

import os
from typing import Any

import cramjam
import pytest
from aiokafka import codec
from aiokafka.record._crecords import default_records
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.engine import batches

CODECS = ("gzip", "snappy", "lz4", "zstd")


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    batches.install()


def decode(name: str, payload: bytes) -> bytes:
    """As aiokafka does, by the name in its own module."""
    decoder: Any = getattr(default_records, f"{name}_decode")
    return bytes(decoder(payload))


def encode(name: str, data: bytes) -> bytes:
    return bytes(getattr(codec, f"{name}_encode")(data))


@given(st.sampled_from(CODECS), st.binary(max_size=2000), st.integers(1, 500))
def test_what_is_packed_is_unpacked_however_well_it_packs(
    name: str, data: bytes, times: int
) -> None:
    assert decode(name, encode(name, data * times)) == data * times


@given(st.binary(min_size=1, max_size=2000))
def test_snappy_without_java_s_frames_is_unpacked_too(data: bytes) -> None:
    assert decode("snappy", bytes(cramjam.snappy.compress_raw(data))) == data


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_that_would_swell_is_refused(name: str) -> None:
    with pytest.raises(batches.Swollen):
        decode(name, encode(name, bytes(batches.UNPACKED_BYTES_MAX + 1)))


@pytest.mark.parametrize("name", CODECS)
def test_noise_is_refused(name: str) -> None:
    with pytest.raises((batches.Swollen, cramjam.DecompressionError, OSError, EOFError)):
        decode(name, os.urandom(400))
