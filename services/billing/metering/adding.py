"""Adding up: from events to buckets. Pure but for the lookups it is given; the same code counts, verifies and rebuilds."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from schemas.catalogue import Aggregation
from services.billing.domain.buckets import Bucket, civil_hour
from services.billing.domain.buckets import add_up as exact_sum
from services.billing.domain.meters import Meters, MeterVersion, NotMeasurable
from services.billing.domain.periods import civil_day
from services.billing.domain.usage import QUARTER, EventGroup, MeteredService, MeterReading
from services.billing.metering.arrivals import Arrival
from services.billing.metering.gathering import Groups
from services.billing.metering.knowledge import SeriesKey

Place: TypeAlias = tuple[SeriesKey, datetime]
"""A series and the instant its civil hour begins."""


@dataclass(slots=True)
class Sums:
    """What a set of events comes to."""

    buckets: dict[Place, tuple[Aggregation, Bucket]] = field(default_factory=dict)

    def add(
        self,
        version: MeterVersion,
        place: Place,
        texts: Sequence[str],
        arrivals: Sequence[Arrival],
        log: int | None,
    ) -> None:
        """Take events of one log into a bucket: what was measured of each."""
        aggregation = version.meter.aggregation
        entry = self.buckets.get(place)
        if entry is None:
            entry = self.buckets[place] = (aggregation, Bucket())
        entry[1].add(aggregation, texts, arrivals, log)


class _Hours:
    """What all groups of a quarter of an hour share, worked out once."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._starts: dict[tuple[ZoneInfo, int], datetime] = {}
        self._versions: dict[tuple[str, int], MeterVersion | None] = {}

    def civil(self, zone: ZoneInfo, events: EventGroup) -> datetime:
        """When the civil hour begins that a quarter lies in."""
        key = (zone, events.quarter)
        if key not in self._starts:
            self._starts[key] = civil_hour(events.starts, zone)
        return self._starts[key]

    def by_version(
        self, meter: str, events: EventGroup, arrivals: Sequence[Arrival]
    ) -> Iterable[tuple[MeterVersion, Sequence[Arrival]]]:
        """Events of one quarter, by the definition in force: nearly always one."""
        key = (meter, events.quarter)
        if key not in self._versions:
            changes = self._meters.changes_within(meter, events.starts, events.starts + QUARTER)
            self._versions[key] = None if changes else self._meters.in_force(meter, events.starts)
        version = self._versions[key]
        return [(version, arrivals)] if version else self._one_by_one(meter, arrivals)

    def _one_by_one(
        self, meter: str, arrivals: Sequence[Arrival]
    ) -> Iterable[tuple[MeterVersion, Sequence[Arrival]]]:
        found: dict[int, tuple[MeterVersion, list[Arrival]]] = {}
        for arrival in arrivals:
            version = self._meters.in_force(meter, arrival.at)
            found.setdefault(version.version, (version, []))[1].append(arrival)
        return found.values()


def add_up(
    groups: Groups, services: Mapping[str, MeteredService], zones: Mapping[str, ZoneInfo], meters: Meters,
    sums: Sums | None = None, log: int | None = None,
) -> Sums:  # fmt: skip
    """Add up events, all of them judged countable, to `sums` if there are some already.

    `zones` is by tenant. `log`: the number of the log that all of them came by, None if it was not noted.
    """
    sums, hours = sums or Sums(), _Hours(meters)
    for key, alike in groups.items():
        reading = services[key.service_id].readings[key.name]
        hour = hours.civil(zones[key.tenant_id], key)
        for dimensions, arrivals in _by_dimensions(reading.dimensions, alike):
            for meter in reading.meters:
                for version, portion in hours.by_version(meter, key, arrivals):
                    if version.meter.reads != key.name or not version.passes(dimensions):
                        continue
                    texts, measured = _measured(version, portion)
                    if measured:
                        place = (
                            (key.service_id, meter, version.version, version.group(dimensions)),
                            hour,
                        )
                        sums.add(version, place, texts, measured, log)
    return sums


def _by_dimensions(
    looked_at: Sequence[str], arrivals: Sequence[Arrival]
) -> Iterable[tuple[Mapping[str, str], Sequence[Arrival]]]:
    """Events by those of their dimensions that any meter looks at."""
    if not looked_at:
        return [({}, arrivals)]
    found: dict[tuple[str | None, ...], tuple[dict[str, str], list[Arrival]]] = {}
    for arrival in arrivals:
        said = arrival.said.dimensions
        values = tuple([said.get(name) for name in looked_at])
        if values not in found:
            found[values] = ({name: said[name] for name in looked_at if name in said}, [])
        found[values][1].append(arrival)
    return found.values()


def _measured(
    version: MeterVersion, portion: Sequence[Arrival]
) -> tuple[Sequence[str], Sequence[Arrival]]:
    """What is measured of events, and of which. One counted under another definition may lack it: it adds nothing."""
    if version.meter.aggregation is Aggregation.COUNT:
        return (), portion
    # Then all of them have one.
    if version.meter.measures == "quantity" and portion[0].said.quantity is not None:
        return [arrival.said.quantity for arrival in portion], portion  # type: ignore[misc]
    texts: list[str] = []
    measured: list[Arrival] = []
    for arrival in portion:
        with suppress(NotMeasurable):
            texts.append(version.text(arrival.said))
            measured.append(arrival)
    return texts, measured


def counted_by(
    meter: str, arrivals: Iterable[Arrival], services: Mapping[str, MeteredService], meters: Meters
) -> list[Arrival]:
    """Those of these events that are in a meter's buckets, of whatever service."""
    found: list[Arrival] = []
    for arrival in arrivals:
        said = arrival.said
        reading = services[said.service_id].readings.get(said.meter)
        version = meters.in_force(meter, arrival.at)
        if (
            reading
            and meter in reading.meters
            and version.meter.reads == said.meter
            and version.passes(said.dimensions)
        ):
            found += _measured(version, [arrival])[1]
    return found


def measurable(arrival: Arrival, reading: MeterReading, meters: Meters) -> bool:
    """Whether every meter that the event is for finds in it what it measures."""
    said = arrival.said
    for key in reading.meters:
        version = meters.in_force(key, arrival.at)
        if version.meter.reads != said.meter or not version.passes(said.dimensions):
            continue
        try:
            version.text(said)
        except NotMeasurable:
            return False
    return True


@dataclass(slots=True)
class Late:
    """How much came for a month that was invoiced already."""

    n: int = 0
    total: Decimal | None = None


def add_late(
    sums: Sums, zones: Mapping[str, ZoneInfo], tenant_of: Mapping[str, str]
) -> dict[tuple[SeriesKey, date], Late]:
    """Sums of late events by series and the civil month they belong to."""
    found: dict[tuple[SeriesKey, date], Late] = {}
    for (series, starts), (_, bucket) in sums.buckets.items():
        month = civil_day(starts, zones[tenant_of[series[0]]]).replace(day=1)
        late = found.setdefault((series, month), Late())
        late.n += bucket.n
        if bucket.total is not None:
            late.total = exact_sum([bucket.total], late.total or Decimal(0))
    return found
