"""Blocks: the raw events of a slice in one compressed value, in order of tenant, so that each tenant's are found.

Nothing is lost of an event, so whatever a meter will want to know can still be counted from it.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
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
    return Block(first_at, last_at, tenants, [len(raws[tenant]) for tenant in tenants], bytes(packed))


def unpack(events: bytes, tenants: Sequence[int], ns: Sequence[int], wanted: int) -> Iterable[bytes]:
    """The raw events of one tenant."""
    if wanted not in tenants:
        return []
    place = list(tenants).index(wanted)
    first, total = sum(ns[:place]), sum(ns)
    data = bytes(zstd.decompress(events))
    lengths = array("I")
    lengths.frombytes(data[: total * lengths.itemsize])
    ends = list(accumulate(lengths, initial=total * lengths.itemsize))
    return [data[ends[n] : ends[n + 1]] for n in range(first, first + ns[place])]
