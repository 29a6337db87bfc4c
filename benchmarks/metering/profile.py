"""Where the time goes: what each step of counting costs a worker, and what the worker, PostgreSQL and Kafka cost together.

Steps are timed apart, in CPU time, on slices as a backlog gives them; what is left is fetching, the wire to PostgreSQL and
the event loop.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psutil

from schemas.catalogue import Meter
from services.billing.domain.meters import Meters, MeterVersion
from services.billing.domain.usage import MeteredService, MeterReading
from services.billing.metering.adding import add_up
from services.billing.metering.arrivals import Arrival, plainly, read
from services.billing.metering.blocks import pack
from services.billing.metering.gathering import Gathering, Groups
from tests.support.furnishing import meter_key, service_id, tenant_id

SLICE = 8_000
ZONE = ZoneInfo("Europe/Rome")


@dataclass
class Steps:
    """Microseconds of CPU for an event, by step."""

    spent: dict[str, float] = field(default_factory=dict)
    events: int = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        began = time.process_time()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - began

    def per_event(self) -> dict[str, float]:
        """Each step's microseconds."""
        return {name: seconds / self.events * 1e6 for name, seconds in self.spent.items()}


def steps(raws: Sequence[bytes], tenants: int, meters: int) -> dict[str, float]:
    """What each step costs, apart from the others, in the order in which a slice goes through them."""
    found, services = Steps(), _services(tenants, meters)
    known = Meters(_version(n) for n in range(meters))
    zones = dict.fromkeys((tenant_id(n) for n in range(tenants)), ZONE)
    for n in range(0, len(raws), SLICE):
        portion = raws[n : n + SLICE]
        found.events += len(portion)
        with found.step("decode and validate"):
            for raw in portion:
                plainly(raw)
        with found.step("the same, with both hashes, as an object that is kept"):
            arrivals = [read(raw, 0) for raw in portion]
        with found.step("put together what is alike"):
            groups = Gathering(arrivals).groups
        with found.step("keys as COPY wants them"):
            b"".join(sorted([arrival.mark for arrival in arrivals]))
        with found.step("pack the block"):
            _packed(groups, arrivals)
        with found.step("add up"):
            add_up(groups, services, zones, known)
        with found.step("release the memory"):
            del arrivals, groups
    return found.per_event()


def _packed(groups: Groups, arrivals: Sequence[Arrival]) -> None:
    by_tenant: dict[int, list[bytes]] = {}
    for events, alike in groups.items():
        by_tenant.setdefault(hash(events.tenant_id), []).extend([arrival.raw for arrival in alike])
    pack(by_tenant, arrivals[0].at, arrivals[-1].at)


def _version(n: int) -> MeterVersion:
    meter = {"key": meter_key(n), "name": "x", "aggregation": "sum", "unit": "n"}
    return MeterVersion(Meter.model_validate(meter), 1, datetime(2020, 1, 1, tzinfo=UTC))


def _services(tenants: int, meters: int) -> dict[str, MeteredService]:
    readings = {meter_key(n): MeterReading((meter_key(n),), (), "quantity") for n in range(meters)}
    since = datetime.now(UTC) - timedelta(days=30)
    return {
        service_id(n): MeteredService(service_id(n), tenant_id(n), since, readings)
        for n in range(tenants)
    }


class Processor:
    """CPU time of the worker, of PostgreSQL and of Kafka, over some events."""

    def __init__(self, workers: Sequence[int]) -> None:
        self._workers = workers
        self._before = self._spent()

    def per_event(self, events: float) -> dict[str, float]:
        """Microseconds for an event, by who spent them."""
        return {
            who: (seconds - self._before[who]) / events * 1e6
            for who, seconds in self._spent().items()
        }

    def _spent(self) -> dict[str, float]:
        family = psutil.Process().children(recursive=True)
        return {
            "worker": sum(_seconds(process) for process in family if process.pid in self._workers),
            "PostgreSQL": sum(
                _seconds(process) for process in family if _named(process, "postgres")
            ),
            "Kafka": sum(_seconds(process) for process in family if _named(process, "java")),
        }


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _named(process: psutil.Process, name: str) -> bool:
    try:
        return str(process.name()).startswith(name)
    except psutil.NoSuchProcess:
        return False
