"""Blocks: the raw events of a slice in one compressed value, in order of tenant, so that each tenant's are found.

Nothing is lost of an event, so whatever a meter will want to know can still be counted from it.
"""

from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from cramjam import zstd

LEVEL = 1


@dataclass(frozen=True, slots=True)
class Block:
    """A packed slice: `ns[i]` events of `tenants[i]`."""

    first_at: datetime
    last_at: datetime
    tenants: list[int]
    ns: list[int]
    events: bytes


def pack(raws: Mapping[int, Sequence[bytes]], first_at: datetime, last_at: datetime) -> Block:
    """Pack raw events by tenant number, at least one, that happened in `[first_at, last_at]`."""
    tenants = sorted(raws)
    ordered = [raw for tenant in tenants for raw in raws[tenant]]
    lengths = array("I", map(len, ordered))
    packed = zstd.compress(b"".join([lengths.tobytes(), *ordered]), level=LEVEL)
    return Block(
        first_at, last_at, tenants, [len(raws[tenant]) for tenant in tenants], bytes(packed)
    )


def unpack(
    events: bytes, tenants: Sequence[int], ns: Sequence[int], wanted: Container[int]
) -> Iterable[tuple[int, list[bytes]]]:
    """The raw events of those tenants that are wanted, by tenant."""
    data, total = bytes(zstd.decompress(events)), sum(ns)
    lengths = array("I")
    lengths.frombytes(data[: total * lengths.itemsize])
    ends = list(accumulate(lengths, initial=total * lengths.itemsize))
    first = 0
    for tenant, n in zip(tenants, ns, strict=True):
        if tenant in wanted:
            yield tenant, [data[ends[place] : ends[place + 1]] for place in range(first, first + n)]
        first += n


def pack_offsets(offsets: Mapping[int, Sequence[int]]) -> tuple[int, bytes]:
    """Where the events of a block stood in their log, in the order of the block: the lowest, and how far beyond each is."""
    ordered = [offset for tenant in sorted(offsets) for offset in offsets[tenant]]
    first = min(ordered)
    return first, bytes(
        zstd.compress(array("I", [offset - first for offset in ordered]).tobytes(), level=LEVEL)
    )


def unpack_offsets(
    first: int, packed: bytes, tenants: Sequence[int], ns: Sequence[int], wanted: Container[int]
) -> Iterable[list[int]]:
    """Where the events of those tenants stood that are wanted, as `unpack` gives the events themselves."""
    places = array("I")
    places.frombytes(bytes(zstd.decompress(packed)))
    at = 0
    for tenant, n in zip(tenants, ns, strict=True):
        if tenant in wanted:
            yield [first + place for place in places[at : at + n]]
        at += n
