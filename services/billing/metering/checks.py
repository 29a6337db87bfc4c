"""Checking and rebuilding: what is added up is compared with the raw events, or added up again from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from services.billing import store as billing
from services.billing.domain.buckets import Bucket, civil_hour
from services.billing.domain.model import BilledTenant
from services.billing.metering.adding import Place, Sums, add_up
from services.billing.metering.closing import mark_dirty
from services.billing.metering.gathering import Gathering
from services.billing.metering.intake import EARLY_MAX
from services.billing.metering.knowledge import MeteringKnowledge
from services.billing.metering.reading import Span, days, events
from services.billing.metering.store import series_in, sql
from services.billing.metering.writing import write
from services.chassis.database import Connection
from services.chassis.store import collect


@dataclass(frozen=True, slots=True)
class Difference:
    """A bucket that is not what its events come to."""

    tenant_id: str
    service_id: str
    meter: str
    version: int
    dimensions: str
    starts: datetime
    stored: str
    recomputed: str


class RawGone(RuntimeError):
    """The raw events of a window are not all there any more."""

    def __init__(self, since: date) -> None:
        super().__init__(
            f"raw usage that arrived before {since} was dropped: begin after that day (--from)"
        )


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What a check found."""

    buckets: int
    differences: list[Difference]


async def verify(
    db: Connection,
    tenants: Sequence[BilledTenant],
    first: date,
    after: date,
    meter: str | None = None,
) -> CheckOutcome:
    """Compare tenants' buckets of the civil days `[first, after)` with their raw events, as of one instant.

    Events are read once for all these tenants and held a block at a time, buckets all together: some 30 kB for a tenant
    with three meters and two days.
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        found, owners = await _recomputed(db, tenants, first, after, meter)
        stored: dict[Place, Bucket] = {}
        for tenant in tenants:
            own = await _stored(db, tenant, days(first, after, tenant.zone), meter)
            owners |= {service_id: tenant.id for (service_id, *_), _ in own}
            stored |= own
    right = {place: bucket for place, (_, bucket) in found.buckets.items()}
    places = sorted(right.keys() | stored.keys())
    differences = [
        _difference(owners[place[0][0]], place, stored.get(place), right.get(place))
        for place in places
        if stored.get(place) != right.get(place)
    ]
    return CheckOutcome(len(places), differences)


async def rebuild(
    db: Connection, tenant_id: str, first: date, after: date, meter: str | None = None
) -> int:
    """Add up a tenant's civil days `[first, after)` again; returns how many buckets there are now.

    The tenant is held alone: whatever is counted for it comes wholly before or wholly after, and nothing twice. Raises
    `RawGone` rather than add up what is no longer all there.
    """
    async with db.transaction():
        tenant = await billing.lock_tenant(db, tenant_id)
        span = days(first, after, tenant.zone)
        sums, owners = await _recomputed(db, [tenant], first, after, meter)
        series = [row.no for row in await series_in(db, tenant_id, meter)]
        await sql.clear(db, series=series, starts=span.start, ends=span.end)
        await write(db, MeteringKnowledge(), sums, owners)
        await mark_dirty(db, tenant_id, first)
    return len(sums.buckets)


async def ensure_raw(db: Connection, start: datetime) -> None:
    """See that no event from an instant on was dropped: it may have come a little before it happened. Raises `RawGone`."""
    since = await sql.raw_since(db)
    if since is not None and (start - EARLY_MAX).astimezone(UTC).date() < since:
        raise RawGone(since)


async def _recomputed(
    db: Connection, tenants: Sequence[BilledTenant], first: date, after: date, meter: str | None
) -> tuple[Sums, dict[str, str]]:
    """What the events come to, and whose each service is."""
    zones = {tenant.id: tenant.zone for tenant in tenants}
    spans = {tenant.no: days(first, after, zones[tenant.id]) for tenant in tenants}
    await ensure_raw(db, min(span.start for span in spans.values()))
    knowledge, sums, owners = MeteringKnowledge(), Sums(), dict[str, str]()
    await knowledge.refresh(db)
    async for arrivals, log in events(db, spans):
        groups = Gathering(arrivals).groups
        services = await knowledge.services(db, {alike.service_id for alike in groups})
        read = {
            alike: found
            for alike, found in groups.items()
            if alike.name in services[alike.service_id].readings
        }
        add_up(read, services, zones, knowledge.meters, sums, log)
        owners |= {service.id: service.tenant_id for service in services.values()}
    if meter is not None:
        sums.buckets = {
            place: entry for place, entry in sums.buckets.items() if place[0][1] == meter
        }
    return sums, owners


async def _stored(
    db: Connection, tenant: BilledTenant, span: Span, meter: str | None
) -> Mapping[Place, Bucket]:
    window = {"starts": span.start, "ends": span.end}
    keys = {
        row.no: (row.service_id, row.meter, row.version, tuple(sorted(row.dimensions.items())))
        for row in await series_in(db, tenant.id, meter)
    }
    found: dict[Place, Bucket] = {}
    for row in await collect(sql.buckets(db, series=list(keys), **window)):
        last = None if row["last_at"] is None else (row["last_at"], row["last_order"], row["last"])
        place = (keys[row["series_no"]], row["starts"])
        found[place] = Bucket(row["n"], row["total"], row["high"], row["low"], last)
    for row in await collect(sql.values(db, series=list(keys), **window)):
        found.setdefault((keys[row["series_no"]], row["starts"]), Bucket()).values.add(
            UUID(int=row["value"].int)
        )
    zone = tenant.zone
    for row in await collect(sql.levels(db, series=list(keys), **window)):
        place = (keys[row["series_no"]], civil_hour(row["at"], zone))
        found.setdefault(place, Bucket()).levels.add((row["at"], row["order"], row["level"]))
    return found


def _difference(
    tenant_id: str, place: Place, stored: Bucket | None, right: Bucket | None
) -> Difference:
    (service_id, meter, version, group), starts = place
    dimensions = ", ".join(f"{name}={value}" for name, value in group)
    told, recomputed = _told(stored, right or Bucket()), _told(right, stored or Bucket())
    return Difference(tenant_id, service_id, meter, version, dimensions, starts, told, recomputed)


def _told(bucket: Bucket | None, other: Bucket) -> str:
    if bucket is None:
        return "nothing"
    parts = [f"{bucket.n} events"]
    for name, value in (("total", bucket.total), ("high", bucket.high), ("low", bucket.low)):
        parts += [f"{name} {value:f}"] if value is not None else []
    parts += [f"last {bucket.last[2]:f} at {bucket.last[0]:%H:%M:%S.%f}"] if bucket.last else []
    if bucket.values:
        parts.append(
            f"{len(bucket.values)} values, {len(bucket.values - other.values)} of them only here"
        )
    if bucket.levels:
        parts.append(
            f"{len(bucket.levels)} levels, {len(bucket.levels - other.levels)} of them only here"
        )
    return ", ".join(parts)
