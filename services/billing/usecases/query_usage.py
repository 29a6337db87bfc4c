"""Answer what was used: quantities of a tenant over civil days, and the raw events behind one hour."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from schemas.scalars import plain
from services.billing import store
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledTenant
from services.billing.metering.adding import counted_by
from services.billing.metering.knowledge import MeteringKnowledge, load_meters
from services.billing.metering.quantities import MeterQuestion, quantities
from services.billing.metering.reading import HOUR, Span, cut, days, events
from services.billing.metering.store import Series, series_in
from services.billing.metering.store import sql as metering
from services.chassis.database import Connection

SPANS_MAX = 800
"""A month by the hour, and a little."""

VALUES_MAX = 10_000
"""Spans times groups: each costs a query or more."""


class NotKnown(LookupError):
    """What is asked about does not exist; the message says what."""


class Unanswerable(ValueError):
    """The question has no answer, or one that is too long; the message says why."""


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """The quantities that are asked for: of one meter or all, over the civil days `[first, after)` of the tenant's zone."""

    first: date
    after: date
    meter: str | None = None
    by: Literal["total", "day", "hour"] = "total"
    group_by: list[str] = field(default_factory=list)


async def query_usage(db: Connection, tenant_id: str, query: UsageQuery) -> list[dict[str, Any]]:
    """Quantities by service, meter, group and span. Raises `NotKnown`, `Unanswerable`."""
    tenant = await _tenant(db, tenant_id)
    if query.first >= query.after:
        raise Unanswerable("`to` is the day after the last one: it must be later than `from`")
    zone, meters = tenant.zone, await load_meters(db)
    _check_names(meters, query)
    span = _days_of(query, zone)
    length = {
        "total": 1,
        "day": (query.after - query.first).days,
        "hour": (span.end - span.start) // HOUR,
    }[query.by]
    if length > SPANS_MAX:
        raise Unanswerable(f"more than {SPANS_MAX} values of each meter: ask for fewer days")
    n = await metering.count_groups(
        db, tenant_id=tenant.id, meter=query.meter, names=query.group_by
    )
    if n * length > VALUES_MAX:
        raise Unanswerable(
            f"{n} groups times {length} spans are more than {VALUES_MAX} values: ask for one meter, fewer days or groups"
        )
    groups = await _groups(db, tenant, query)
    spans = cut(span, query.by, zone)
    asked = [(group, part) for group in groups for part in spans]
    found = await quantities(
        db, meters, [MeterQuestion(group[1], groups[group], part) for group, part in asked]
    )
    return [
        {
            "service_id": service_id, "meter": key, "dimensions": msgspec.json.decode(dimensions), "from": part.start,
            "to": part.end, "quantity": plain(quantity),
        }
        for ((service_id, key, dimensions), part), quantity in zip(asked, found, strict=True)
    ]  # fmt: skip


async def query_events(
    db: Connection, tenant_id: str, hour: datetime, meter: str | None
) -> list[dict[str, Any]]:
    """The raw events of the civil hour that begins at `hour`: all, or those that a meter counts.

    Raises `NotKnown`, `Unanswerable`.
    """
    tenant, span = await _tenant(db, tenant_id), _hour_from(hour)
    found = [arrival async for arrivals, _ in events(db, {tenant.no: span}) for arrival in arrivals]
    found.sort(key=lambda event: (event.at, event.key))
    if meter is not None:
        knowledge = MeteringKnowledge()
        await knowledge.refresh(db)
        if meter not in knowledge.meters:
            raise NotKnown("no such meter")
        found = counted_by(
            meter,
            found,
            await knowledge.services(db, {event.said.service_id for event in found}),
            knowledge.meters,
        )
    return [msgspec.json.decode(event.raw) for event in found]


async def _tenant(db: Connection, tenant_id: str) -> BilledTenant:
    tenant = await store.tenant(db, tenant_id)
    if tenant is None:
        raise NotKnown("no such tenant")
    return tenant


async def _groups(
    db: Connection, tenant: BilledTenant, query: UsageQuery
) -> dict[tuple[str, str, str], list[Series]]:
    """A tenant's series by service, meter and the dimensions asked for, as JSON."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for row in await series_in(db, tenant.id, query.meter):
        dimensions = {name: row.dimensions.get(name, "") for name in query.group_by}
        groups.setdefault(
            (row.service_id, row.meter, msgspec.json.encode(dimensions).decode()), []
        ).append(row)
    return groups


def _check_names(meters: Meters, query: UsageQuery) -> None:
    """Raises for a meter that does not exist, or a dimension that no version of it is grouped by."""
    if query.meter is not None and query.meter not in meters:
        raise NotKnown("no such meter")
    keys = meters.keys() if query.meter is None else [query.meter]
    known = {
        name for key in keys for version in meters.versions(key) for name in version.meter.group_by
    }
    if unknown := set(query.group_by) - known:
        raise Unanswerable(f"not kept apart by: {', '.join(sorted(unknown))}")


def _days_of(query: UsageQuery, zone: ZoneInfo) -> Span:
    """The days asked for, as instants. Raises `Unanswerable` at the ends of the calendar, where a zone's midnight overflows."""
    try:
        return days(query.first, query.after, zone)
    except OverflowError:
        raise Unanswerable("`from` and `to` lie beyond the calendar") from None


def _hour_from(hour: datetime) -> Span:
    """The hour that begins at an instant. Raises `Unanswerable` at the ends of the calendar."""
    try:
        start = hour.astimezone(UTC)
        return Span(start, start + HOUR)
    except OverflowError:
        raise Unanswerable("`hour` lies beyond the calendar") from None
