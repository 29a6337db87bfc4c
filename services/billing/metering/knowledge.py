"""What counting knows of tenants, services and meters. What cannot change is remembered from slice to slice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from schemas.catalogue import Aggregation, Meter, Plan
from services.billing.domain.meters import Meters, MeterVersion
from services.billing.domain.usage import EventGroup, MeteredService, MeterReading
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.store import Log, collect

REMEMBERED_MAX = 200_000
"""Services, and series, remembered by a process; beyond, they are all forgotten. About 100 bytes each."""

Group: TypeAlias = tuple[tuple[str, str], ...]
SeriesKey: TypeAlias = tuple[str, str, int, Group]
"""Service, meter, version, group."""


@dataclass(frozen=True, slots=True)
class MeteredTenant:
    """A tenant whose usage is being counted: held shared, so that no invoice closes meanwhile."""

    id: str
    no: int
    zone: ZoneInfo
    closed_until: datetime
    reseller_id: str | None = None


class MeteringKnowledge:
    """Looks things up for slices, and remembers."""

    def __init__(self) -> None:
        self.meters = Meters()
        self.revision = 0
        self._changed = -1
        self._epoch: UUID | None = None
        self._services: dict[str, MeteredService] = {}
        self._series: dict[SeriesKey, int] = {}
        self._logs: dict[Log, int] = {}

    async def refresh(self, db: Connection) -> bool:
        """See whether the catalogue has moved on; false when all that was remembered had to be forgotten."""
        seen = await sql.whats_known(db)
        assert seen is not None
        holds = self._epoch is not None and self._epoch == seen["epoch"]
        if not holds:
            self._series.clear()
            self._logs.clear()
            self._changed, self._epoch = -1, seen["epoch"]
        if seen["changed"] > self._changed:
            meters = await load_meters(db)
            if seen["changed"] > self._changed:  # no other slice has learnt more meanwhile
                self.meters = meters
                self._services.clear()
                self.revision, self._changed = seen["revision"], seen["changed"]
        return holds

    async def services(self, db: Connection, ids: Iterable[str]) -> dict[str, MeteredService]:
        """The services that are known, of those asked for. Other slices may make us forget meanwhile: then look again."""
        wanted, absent = set(ids), set[str]()
        while missing := [
            service_id for service_id in wanted - absent if service_id not in self._services
        ]:
            if len(self._services) > REMEMBERED_MAX:
                self._services.clear()
            found = await collect(sql.services_by_id(db, ids=missing))
            absent |= set(missing) - {row["id"] for row in found}
            for row in found:
                plan = Plan.model_validate(row["plan"])
                self._services[row["id"]] = MeteredService(
                    row["id"],
                    row["tenant_id"],
                    row["activated_at"],
                    self._readings(plan),
                    row["ended_at"],
                )
        return {
            service_id: self._services[service_id]
            for service_id in wanted
            if service_id in self._services
        }

    def _readings(self, plan: Plan) -> dict[str, MeterReading]:
        by_name: dict[str, list[str]] = {}
        for key in sorted({price.meter for price in plan.usage if price.meter in self.meters}):
            for name in {version.meter.reads for version in self.meters.versions(key)}:
                by_name.setdefault(name, []).append(key)
        return {name: self._reading(keys) for name, keys in by_name.items()}

    def _reading(self, keys: list[str]) -> MeterReading:
        versions = [version for key in keys for version in self.meters.versions(key)]
        measuring = [
            version for version in versions if version.meter.aggregation is not Aggregation.COUNT
        ]
        looked_at = {
            name
            for version in versions
            for name in (*version.meter.filter, *version.meter.group_by)
        }
        looked_at |= {version.meter.measures for version in measuring} - {"quantity", "value"}
        needs = {
            version.meter.measures if version in measuring else "anything" for version in versions
        }
        numbers = any(
            version.is_numeric and version.meter.measures == "value" for version in versions
        )
        is_plain = len(needs) == 1 and not looked_at and not numbers
        return MeterReading(
            tuple(keys), tuple(sorted(looked_at)), needs.pop() if is_plain else None
        )

    async def series(
        self, db: Connection, tenants: Mapping[str, str], keys: Iterable[SeriesKey]
    ) -> dict[SeriesKey, int]:
        """Numbers of series; made where there are none. `tenants` says whose each service is.

        What this transaction makes is not remembered, for the transaction may yet fail.
        """
        found = {key: self._series[key] for key in keys if key in self._series}
        missing = [key for key in keys if key not in found]
        if missing:
            await self._recall(db, missing)
            found |= {key: self._series[key] for key in missing if key in self._series}
            new = sorted(key for key in missing if key not in found)
            found |= await _made(db, tenants, new) if new else {}
        return found

    async def log(self, db: Connection, log: Log) -> int:
        """The number of a log: the later one was first seen, the higher. What this transaction makes is not remembered."""
        if log in self._logs:
            return self._logs[log]
        found: int | None = await metering.log_no(db, part=log.part, log_id=log.log_id)
        if found is not None:
            self._logs[log] = found
            return found
        return int(await metering.make_log(db, part=log.part, log_id=log.log_id))

    async def _recall(self, db: Connection, keys: list[SeriesKey]) -> None:
        if len(self._series) > REMEMBERED_MAX:
            self._series.clear()
        services, meters = sorted({key[0] for key in keys}), sorted({key[1] for key in keys})
        for row in await collect(metering.series_of(db, services=services, meters=meters)):
            group = tuple(sorted(row["dimensions"].items()))
            self._series[(row["service_id"], row["meter"], row["version"], group)] = row["no"]


async def _made(
    db: Connection, tenants: Mapping[str, str], keys: list[SeriesKey]
) -> dict[SeriesKey, int]:
    dimensions = [msgspec.json.encode(dict(group)).decode() for *_, group in keys]
    made = await collect(
        metering.make_series(
            db, tenants=[tenants[service] for service, *_ in keys], services=[service for service, *_ in keys],
            meters=[meter for _, meter, _, _ in keys], versions=[version for *_, version, _ in keys], dimensions=dimensions,
        )
    )  # fmt: skip
    return {
        (
            row["service_id"],
            row["meter"],
            row["version"],
            tuple(sorted(row["dimensions"].items())),
        ): row["no"]
        for row in made
    }


async def load_meters(db: Connection) -> Meters:
    """All meters there are."""
    found = await collect(sql.meter_versions(db))
    return Meters(
        MeterVersion(Meter.model_validate(row["meter"]), row["version"], row["valid_from"])
        for row in found
    )


async def hold_tenants(db: Connection, ids: Iterable[str]) -> dict[str, MeteredTenant]:
    """Tenants whose usage is about to be counted, held shared until the transaction ends."""
    found = await collect(sql.share_tenants(db, ids=sorted(ids)))
    return {
        row["id"]: MeteredTenant(
            row["id"], row["no"], ZoneInfo(row["zone"]), row["closed_until"], row["reseller_id"]
        )
        for row in found
    }


async def strangers_among(
    db: Connection, groups: Iterable[EventGroup], tenants: Mapping[str, MeteredTenant]
) -> set[EventGroup]:
    """Usage of a reseller whose tenant is another's by now: the door did not know it yet. The tenants are held."""
    theirs = {
        events for events in groups
        if events.principal is not None and events.tenant_id in tenants
        and events.principal != tenants[events.tenant_id].reseller_id
    }  # fmt: skip
    if not theirs:
        return theirs
    found = await collect(
        sql.resellers_among(db, ids=sorted({events.principal or "" for events in theirs}))
    )
    resellers = {row["id"] for row in found}
    return {events for events in theirs if events.principal in resellers}
