"""Adding up: from events to buckets. Pure but for the lookups it is given; the same code counts, verifies and rebuilds."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from schemas.catalogue import Aggregation
from services.billing.domain.buckets import Bucket, Point, civil_hour
from services.billing.domain.meters import Meters, MeterVersion, NotMeasurable
from services.billing.domain.periods import civil_day
from services.billing.domain.usage import Reading, Service
from services.billing.metering.arrivals import Arrival
from services.billing.metering.knowledge import SeriesKey

QUARTER = timedelta(minutes=15)
"""Every zone in use is a whole number of quarters from UTC: what lies in one quarter lies in one civil hour."""

Place: TypeAlias = tuple[SeriesKey, datetime]
"""A series and the instant its civil hour begins."""


@dataclass(slots=True)
class Sums:
    """What a set of events comes to."""

    buckets: dict[Place, tuple[Aggregation, Bucket]] = field(default_factory=dict)

    def add(self, version: MeterVersion, place: Place, points: Sequence[Point]) -> None:
        """Take events into a bucket."""
        aggregation = version.meter.aggregation
        entry = self.buckets.get(place)
        if entry is None:
            entry = self.buckets[place] = (aggregation, Bucket())
        entry[1].add(aggregation, points)


class GroupKey(NamedTuple):
    """What events have in common that look alike to every meter."""

    service_id: str
    name: str
    values: tuple[str | None, ...]
    """The dimensions that any meter of the service looks at."""
    quarter: int
    """Quarters of an hour since the year 1, UTC."""

    @property
    def starts(self) -> datetime:
        """When its quarter of an hour begins."""
        return _YEAR_ONE + self.quarter * QUARTER


Groups: TypeAlias = Mapping[GroupKey, Sequence[Arrival]]
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def group(arrivals: Iterable[Arrival], services: Mapping[str, Service]) -> Groups:
    """Put events together that are alike in all that a meter looks at. They must be of known services and names."""
    groups: dict[tuple[str, str, tuple[str | None, ...], int], list[Arrival]] = {}
    for arrival in arrivals:
        at = arrival.at
        quarter = ((at.toordinal() - 1) * 24 + at.hour) * 4 + at.minute // 15
        wanted = services[arrival.service_id].readings[arrival.name].dimensions
        values = tuple([arrival.dimensions.get(name) for name in wanted]) if wanted else ()
        key = (arrival.service_id, arrival.name, values, quarter)
        found = groups.get(key)
        if found is None:
            groups[key] = [arrival]
        else:
            found.append(arrival)
    return {GroupKey(*key): found for key, found in groups.items()}


def add_up(groups: Groups, services: Mapping[str, Service], zones: Mapping[str, ZoneInfo], meters: Meters) -> Sums:
    """Add up events, all of them judged countable. `zones` is by tenant."""
    sums = Sums()
    for key, arrivals in groups.items():
        service = services[key.service_id]
        reading = service.readings[key.name]
        dimensions = {n: v for n, v in zip(reading.dimensions, key.values, strict=True) if v is not None}
        hour = civil_hour(key.starts, zones[service.tenant_id])
        for meter in reading.meters:
            for version, portion in _by_version(meters, meter, key.starts, arrivals):
                if version.meter.reads != key.name or not version.passes(dimensions):
                    continue
                if points := _points(version, portion):
                    place = ((service.id, meter, version.version, version.group(dimensions)), hour)
                    sums.add(version, place, points)
    return sums


def _by_version(
    meters: Meters, key: str, starts: datetime, arrivals: Sequence[Arrival]
) -> Iterable[tuple[MeterVersion, Sequence[Arrival]]]:
    """Events of one quarter of an hour, by the definition in force: nearly always one."""
    if not meters.changes_within(key, starts, starts + QUARTER):
        return [(meters.in_force(key, starts), arrivals)]
    found: dict[int, tuple[MeterVersion, list[Arrival]]] = {}
    for arrival in arrivals:
        version = meters.in_force(key, arrival.at)
        found.setdefault(version.version, (version, []))[1].append(arrival)
    return found.values()


def _points(version: MeterVersion, portion: Sequence[Arrival]) -> list[Point]:
    """What is measured of events. One counted under another definition may lack what this one asks for: it adds nothing."""
    if version.meter.aggregation is Aggregation.COUNT:
        return [(arrival.at, arrival.key, "") for arrival in portion]
    match version.meter.measures:
        case "quantity":
            return [(arrival.at, arrival.key, arrival.quantity) for arrival in portion if arrival.quantity is not None]
        case "value" if not version.is_numeric:
            return [(arrival.at, arrival.key, arrival.value) for arrival in portion if arrival.value is not None]
    points: list[Point] = []
    for arrival in portion:
        with suppress(NotMeasurable):
            points.append((arrival.at, arrival.key, version.text(arrival)))
    return points


def counted_by(
    meter: str, arrivals: Iterable[Arrival], services: Mapping[str, Service], meters: Meters
) -> list[Arrival]:
    """Those of these events that are in a meter's buckets, of whatever service."""
    found = []
    for arrival in arrivals:
        reading = services[arrival.service_id].readings.get(arrival.name)
        version = meters.in_force(meter, arrival.at)
        if (
            reading
            and meter in reading.meters
            and version.meter.reads == arrival.name
            and version.passes(arrival.dimensions)
        ):
            found += [arrival] if _points(version, [arrival]) else []
    return found


def measurable(arrival: Arrival, reading: Reading, meters: Meters) -> bool:
    """Whether every meter that the event is for finds in it what it measures."""
    if reading.needs is not None:
        return True
    for key in reading.meters:
        version = meters.in_force(key, arrival.at)
        if version.meter.reads != arrival.name or not version.passes(arrival.dimensions):
            continue
        try:
            version.text(arrival)
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
            late.total = (late.total or Decimal(0)) + bucket.total
    return found
