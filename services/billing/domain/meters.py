"""Meters: which events they read, what of them they measure, and since when."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.catalogue import Aggregation, Meter
from schemas.scalars import NON_NEGATIVE_PATTERN

_NUMBER = re.compile(NON_NEGATIVE_PATTERN, re.ASCII)


class Measured(Protocol):
    """What a meter sees of a usage event."""

    @property
    def quantity(self) -> str | None:
        """A decimal number, as it came."""
        ...

    @property
    def value(self) -> str | None:
        """An identifier to count once."""
        ...

    @property
    def dimensions(self) -> Mapping[str, str]:
        """What the event may be filtered and grouped by."""
        ...


class NotMeasurable(ValueError):
    """An event lacks what its meter measures."""


@dataclass(frozen=True, slots=True)
class MeterVersion:
    """One definition of a meter, for events from `valid_from` on."""

    meter: Meter
    version: int
    valid_from: datetime

    def passes(self, dimensions: Mapping[str, str]) -> bool:
        """Whether an event with these dimensions is counted."""
        return all(dimensions.get(name) in accepted for name, accepted in self.meter.filter.items())

    def group(self, dimensions: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The group an event belongs to: each dimension once, by name, with its value; empty where the event has none."""
        return tuple((name, dimensions.get(name, "")) for name in sorted(set(self.meter.group_by)))

    def text(self, event: Measured) -> str:
        """What is measured of an event, as it came. Raises `NotMeasurable`."""
        wanted = self.meter.measures
        if wanted == "quantity":
            found = event.quantity
        elif wanted == "value":
            found = event.value
        else:
            found = event.dimensions.get(wanted)
        if self.meter.aggregation is Aggregation.COUNT:
            return found or ""
        if found is None or (
            self.is_numeric and wanted != "quantity" and not _NUMBER.fullmatch(found)
        ):
            raise NotMeasurable(f"{self.meter.key} measures {wanted}")
        return found

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are aggregated; else events or identifiers are counted."""
        return self.meter.aggregation not in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The instants `[start, end)` for which versions are in force, the earliest first; None: since ever, or for ever."""

    versions: tuple[MeterVersion, ...]
    start: datetime | None
    end: datetime | None

    def within(self, start: datetime, end: datetime) -> "tuple[datetime, datetime] | None":
        """What of a window it covers; None: nothing."""
        first = start if self.start is None else max(start, self.start)
        last = end if self.end is None else min(end, self.end)
        return (first, last) if first < last else None


Alike = Callable[[MeterVersion, MeterVersion], bool]


def aggregate_alike(one: MeterVersion, other: MeterVersion) -> bool:
    """Whether two versions are one meter: their quantities are folded, not added."""
    return one.meter.aggregation is other.meter.aggregation


def carry_over(one: MeterVersion, other: MeterVersion) -> bool:
    """Whether a level that one measured holds under the other: levels of the same dimensions are the same levels."""
    return aggregate_alike(one, other) and set(one.meter.group_by) == set(other.meter.group_by)


class Meters:
    """All versions of all meters."""

    def __init__(self, versions: Iterable[MeterVersion] = ()) -> None:
        self._by_key: dict[str, list[MeterVersion]] = {}
        for version in sorted(versions, key=lambda item: item.version, reverse=True):
            self._by_key.setdefault(version.meter.key, []).append(version)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def keys(self) -> list[str]:
        """The keys of all meters."""
        return list(self._by_key)

    def versions(self, key: str) -> list[MeterVersion]:
        """All versions of a meter, the latest first."""
        return self._by_key[key]

    def latest(self, key: str) -> MeterVersion:
        """The definition published last."""
        return self._by_key[key][0]

    def in_force(self, key: str, at: datetime) -> MeterVersion:
        """The definition for an event of that instant: the latest that counts by then, or the first there was."""
        versions = self._by_key[key]
        return next((version for version in versions if version.valid_from <= at), versions[-1])

    def stretches(self, key: str, alike: Alike) -> list[Stretch]:
        """The versions of a meter in the order in which they are in force, those together that follow and are `alike`."""
        found: list[Stretch] = []
        for version, start, end in self._in_turn(key):
            if found and alike(found[-1].versions[-1], version):
                found[-1] = Stretch((*found[-1].versions, version), found[-1].start, end)
            else:
                found.append(Stretch((version,), start, end))
        return found

    def _in_turn(self, key: str) -> Iterator[tuple[MeterVersion, datetime | None, datetime | None]]:
        """Each version that is ever in force, from when and until when."""
        versions = self._by_key[key]
        changes = sorted({version.valid_from for version in versions})
        starts: list[tuple[MeterVersion, datetime | None]] = [
            (versions[-1], None)
        ]  # the first there was, since ever
        for change in changes:
            version = self.in_force(key, change)
            if version is not starts[-1][0]:
                starts.append((version, change))
        ends = [*(start for _, start in starts[1:]), None]
        for (version, start), end in zip(starts, ends, strict=True):
            yield version, start, end

    def changes_within(self, key: str, start: datetime, end: datetime) -> bool:
        """Whether a version begins strictly within `(start, end)`, so that its events must be looked at one by one."""
        return any(start < version.valid_from < end for version in self._by_key[key])
