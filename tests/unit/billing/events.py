"""Usage events and meters that the unit tests of billing are written with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from schemas.catalogue import Aggregation, Meter
from schemas.envelope import Event
from schemas.scalars import holds_forbidden_text
from schemas.usage import UsageRecorded
from services.billing.domain.meters import Meters
from services.billing.domain.usage import (
    MeteredService,
    MeterReading,
)  # fmt: skip
from services.billing.metering import adding
from services.billing.metering.arrivals import Arrival, read
from services.billing.metering.gathering import Gathering
from tests.support.catalogue import ROME

TENANT = "11111111-1111-1111-1111-111111111111"
SERVICE = "22222222-2222-2222-2222-222222222222"
START = datetime(2026, 11, 1, tzinfo=ROME).astimezone(UTC)
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: not holds_forbidden_text(text)
)
KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
NUMBERS = st.one_of(
    st.integers(0, 10**26 - 1).map(str),
    st.builds(
        "{}.{}".format, st.integers(0, 10**26 - 1), st.from_regex(r"[0-9]{1,12}", fullmatch=True)
    ),
)
INSTANTS = st.integers(0, 40_000_000_000).map(
    lambda seconds: NOON + timedelta(seconds=seconds)
) | st.integers(-(10**15), 10**16).map(lambda us: NOON + timedelta(microseconds=us))


def usage(
    at: datetime = NOON,
    event_id: str = "u-1",
    source: str = "/erp",
    tenant: str = TENANT,
    **data: Any,
) -> bytes:
    """A usage event as the doors write it."""
    payload = UsageRecorded.model_validate({"service_id": SERVICE, "meter": "calls", **data})
    return Event(event_id, source, payload.wire_type, tenant, at, payload, revision=3).encode()


_OFFSETS = count(7)


def arrival(at: datetime = NOON, event_id: str = "u-1", **data: Any) -> Arrival:
    return read(usage(at, event_id, **data), next(_OFFSETS))


def meter(kind: Aggregation = Aggregation.SUM, key: str = "calls", **more: Any) -> Meter:
    return Meter.model_validate(
        {"key": key, "name": "Calls", "aggregation": kind, "unit": "n", **more}
    )


@dataclass
class Sold:
    """A service whose plan prices some meters."""

    meters: Meters
    services: dict[str, MeteredService] = field(init=False)
    zones: dict[str, ZoneInfo] = field(init=False)

    def __post_init__(self) -> None:
        versions = [
            version
            for key in ("calls", "other")
            if key in self.meters
            for version in self.meters.versions(key)
        ]
        looked_at = {
            name
            for version in versions
            for name in (*version.meter.filter, *version.meter.group_by)
        }
        looked_at |= {version.meter.measures for version in versions} - {"quantity", "value"}
        keys = tuple(dict.fromkeys(version.meter.key for version in versions))
        readings = {
            version.meter.reads: MeterReading(keys, tuple(sorted(looked_at)), None)
            for version in versions
        }
        self.services = {SERVICE: MeteredService(SERVICE, TENANT, START, readings)}
        self.zones = {TENANT: ROME}

    def sums(self, arrivals: Sequence[Arrival]) -> adding.Sums:
        return adding.add_up(
            Gathering(arrivals).groups, self.services, self.zones, self.meters, log=1
        )
