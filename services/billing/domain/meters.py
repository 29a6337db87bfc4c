"""Meters: which events they read, what of them they measure, and since when."""

import re
from collections.abc import Iterable, Mapping
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
        if found is None or (self.is_numeric and wanted != "quantity" and not _NUMBER.fullmatch(found)):
            raise NotMeasurable(f"{self.meter.key} measures {wanted}")
        return found

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are aggregated; else events or identifiers are counted."""
        return self.meter.aggregation not in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT)


class Meters:
    """All versions of all meters."""

    def __init__(self, versions: Iterable[MeterVersion] = ()) -> None:
        self._by_key: dict[str, list[MeterVersion]] = {}
        for version in sorted(versions, key=lambda item: item.version, reverse=True):
            self._by_key.setdefault(version.meter.key, []).append(version)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

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

    def changes_within(self, key: str, start: datetime, end: datetime) -> bool:
        """Whether a version begins strictly within `(start, end)`, so that its events must be looked at one by one."""
        return any(start < version.valid_from < end for version in self._by_key[key])
