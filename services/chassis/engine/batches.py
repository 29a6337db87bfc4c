"""Fetched batches: bounded when decompressed, isolated when unreadable, and turned into records ten times faster.

aiokafka decompresses whatever a batch holds, all at once. An error while it reads one batch ends the fetch of all
partitions, again and again. And making its record objects takes as long as the rest of a fetch. This module replaces the
functions by which aiokafka finds its decoders and its iterator.
"""

import gzip
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cramjam
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record import default_records, legacy_records
from aiokafka.record._crecords import default_records as fast_default_records
from aiokafka.record._crecords import legacy_records as fast_legacy_records
from msgspec import Struct

UNPACKED_BYTES_MAX = 32 * 1024 * 1024
"""A batch has at most 1 MiB on the wire (`message.max.bytes`); usage packs to about an eighth."""

_USUAL_RATIO = 16
_XERIAL_HEADER_BYTES = 16
_XERIAL_MAGIC = b"\x82SNAPPY\x00"


class Record(Struct, gc=False):
    """A record of a log. `timestamp` is in milliseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


Told = Callable[[TopicPartition, int, Exception], None]
_LISTENERS: list[Told] = []


class Swollen(ValueError):
    """A batch unpacks to more than `UNPACKED_BYTES_MAX`, or is not what it says."""


def listen(told: Told) -> None:
    """Register for batches that cannot be read: partition, first offset wanted, why."""
    _LISTENERS.append(told)


def forget(told: Told) -> None:
    """End the registration."""
    _LISTENERS.remove(told)


def _unpack_gzip(payload: Any) -> bytes:
    found = gzip.GzipFile(fileobj=io.BytesIO(payload)).read(UNPACKED_BYTES_MAX + 1)
    if len(found) > UNPACKED_BYTES_MAX:
        raise Swollen("gzip")
    return found


def _unpack_snappy(payload: bytes) -> bytes:
    """One block, or blocks framed as Java's clients do; every block says how long it will be."""
    blocks = list(_xerial_blocks(payload)) if payload.startswith(_XERIAL_MAGIC) else [payload]
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > UNPACKED_BYTES_MAX:
        raise Swollen("snappy")
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial_blocks(payload: bytes) -> Iterator[bytes]:
    at = _XERIAL_HEADER_BYTES
    while at < len(payload):
        (length,) = struct.unpack_from("!I", payload, at)
        yield payload[at + 4 : at + 4 + length]
        at += 4 + length


def _unpack_into(codec: Any) -> Callable[[bytes], bytes]:
    """Unpack into a buffer that grows up to the limit: the length is not known before."""

    def unpack(payload: bytes) -> bytes:
        room = min(UNPACKED_BYTES_MAX, max(65_536, _USUAL_RATIO * len(payload)))
        while True:
            buffer = bytearray(room)
            try:
                return bytes(memoryview(buffer)[: codec.decompress_into(payload, buffer)])
            except cramjam.DecompressionError as error:
                if room == UNPACKED_BYTES_MAX:
                    raise Swollen(str(error)) from error
                room = min(UNPACKED_BYTES_MAX, room * 4)

    return unpack


class _Portion(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka ships no types
    """What was fetched of one partition. A batch that cannot be read ends it, as if nothing more had come."""

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a batch is reported to the reader of the partition
            for listener in _LISTENERS:
                listener(self._tp, self.next_fetch_offset, error)

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Record:
        return Record(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


def install() -> None:
    """Make every consumer of this process read so."""
    decoders = {
        "gzip_decode": _unpack_gzip, "snappy_decode": _unpack_snappy,
        "lz4_decode": _unpack_into(cramjam.lz4), "zstd_decode": _unpack_into(cramjam.zstd),
    }  # fmt: skip
    for module in (default_records, legacy_records, fast_default_records, fast_legacy_records):
        for name, decode in decoders.items():
            if hasattr(module, name):
                setattr(module, name, decode)
    fetcher.PartitionRecords = _Portion
