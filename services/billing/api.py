"""Billing's windows for the operator: what became of usage, rejects, quantities, and how a line came about."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from asyncpg import Record
from fastapi import FastAPI, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from schemas.envelope import ATTRIBUTE_LENGTH_MAX
from schemas.scalars import plain, storable
from services.billing.domain.meters import Meters
from services.billing.metering.adding import counted_by
from services.billing.metering.knowledge import Knowledge, load_meters
from services.billing.metering.reading import HOUR, Span, cut, days, events, quantity
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.chassis import store as chassis_store
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.store import rows
from services.chassis.web import Problem, application, operator_only

Limit = Annotated[int, Query(ge=1, le=1000)]
SPANS_MAX = 800
"""A month by the hour, and a little."""

VALUES_MAX = 10_000
"""Spans times groups: each costs a question or more."""

Name = Annotated[str, AfterValidator(storable), Field(max_length=ATTRIBUTE_LENGTH_MAX)]


class Asked(BaseModel):
    """What quantities are asked for: civil days `[from, to)` of the tenant's zone."""

    first: date = Field(alias="from")
    after: date = Field(alias="to")
    meter: Name | None = None
    by: Literal["total", "day", "hour"] = "total"
    group_by: list[Name] = Field(default_factory=list, max_length=8)


def build_api(runtime: Runtime) -> FastAPI:
    """The API of billing."""
    app = application("Vicino billing", operator_only(runtime.settings.token(), "billing"))

    @app.get("/v1/usage/summary")
    async def usage_summary() -> dict[str, Any]:
        """What became of every usage record."""
        async with runtime.pool.acquire() as db:
            found = await rows(sql.tally(db))
        totals = {
            outcome: sum(row["n"] for row in found if row["outcome"] == outcome)
            for outcome in ("counted", "duplicate", "parked")
        }
        rejected = {row["reason"]: row["n"] for row in found if row["outcome"] == "rejected" and row["n"]}
        return {
            "counted": totals["counted"],
            "duplicates": totals["duplicate"],
            "parked": totals["parked"],
            "rejected": rejected,
        }

    @app.get("/v1/rejects")
    async def rejects(reason: Name | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest rejects, with their reason and place; the raw record is kept, and shown by `vicino rejects`."""
        async with runtime.pool.acquire() as db:
            found = await chassis_store.list_rejects(db, reason, limit)
        hidden = {"raw"}
        return [{name: value for name, value in row.items() if name not in hidden} for row in found]

    @app.get("/v1/usage/parked")
    async def parked() -> list[dict[str, Any]]:
        """What usage waits for: services, or the catalogue, that are not known yet."""
        async with runtime.pool.acquire() as db:
            return [dict(row) for row in await rows(metering.parked(db))]

    @app.get("/v1/meters")
    async def meters() -> list[dict[str, Any]]:
        """All definitions of all meters."""
        async with runtime.pool.acquire() as db:
            found = await rows(sql.meter_versions(db))
        return [dict(row) for row in sorted(found, key=lambda row: (row["key"], row["version"]))]

    @app.get("/v1/tenants/{tenant_id}/usage")
    async def usage(tenant_id: Name, asked: Annotated[Asked, Query()]) -> list[dict[str, Any]]:
        """Quantities of a tenant over the civil days `[from, to)`, whole or by day or hour, by service, meter and group."""
        async with runtime.pool.acquire() as db:
            return await _quantities(db, await _tenant(db, tenant_id), asked)

    @app.get("/v1/tenants/{tenant_id}/usage/events")
    async def usage_events(tenant_id: Name, hour: AwareDatetime, meter: Name | None = None) -> list[dict[str, Any]]:
        """The raw events behind a bucket: those of the civil hour that begins at `hour`, that a meter counts."""
        async with runtime.pool.acquire() as db:
            return await _events(db, await _tenant(db, tenant_id), _hour_from(hour), meter)

    @app.get("/v1/tenants/{tenant_id}/usage/late")
    async def late(tenant_id: Name) -> list[dict[str, Any]]:
        """Usage that came after its month was invoiced, with the month it belongs to."""
        async with runtime.pool.acquire() as db:
            return [_shown(row) for row in await rows(metering.late(db, tenant_id=tenant_id))]

    @app.get("/v1/invoices/{invoice_id}/explain")
    async def explain(invoice_id: Name) -> dict[str, Any]:
        """The ledger rows behind an invoice's lines."""
        async with runtime.pool.acquire() as db:
            invoice = await sql.invoice(db, id=invoice_id)
            if invoice is None:
                raise Problem(404, "Not Found", "no such invoice")
            found = await rows(sql.charges_of(db, invoice_id=invoice_id))
        shown = [{name: str(value) for name, value in row.items()} for row in found]
        return {"invoice_id": invoice_id, "number": invoice["number"], "charges": shown}

    return app


async def _tenant(db: Connection, tenant_id: str) -> Record:
    tenant: Record | None = await sql.tenant(db, id=tenant_id)
    if tenant is None:
        raise Problem(404, "Not Found", "no such tenant")
    return tenant


async def _quantities(db: Connection, tenant: Record, asked: Asked) -> list[dict[str, Any]]:
    if asked.first >= asked.after:
        raise _unprocessable("`to` is the day after the last one: it must be later than `from`")
    zone, meters = ZoneInfo(tenant["zone"]), await load_meters(db)
    _check_names(meters, asked)
    span = _days_of(asked, zone)
    length = {"total": 1, "day": (asked.after - asked.first).days, "hour": (span.end - span.start) // HOUR}[asked.by]
    if length > SPANS_MAX:
        raise _unprocessable(f"more than {SPANS_MAX} values of each meter: ask for fewer days")
    n = await metering.count_groups(db, tenant_id=tenant["id"], meter=asked.meter, names=asked.group_by)
    if n * length > VALUES_MAX:
        raise _unprocessable(
            f"{n} groups times {length} spans are more than {VALUES_MAX} values: ask for one meter, fewer days or groups"
        )
    spans = cut(span, asked.by, zone)
    found = await rows(metering.series_in(db, tenant_id=tenant["id"], meter=asked.meter))
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for row in found:
        dimensions = {name: row["dimensions"].get(name, "") for name in asked.group_by}
        groups.setdefault((row["service_id"], row["meter"], msgspec.json.encode(dimensions).decode()), []).append(row)
    return [
        {
            "service_id": service_id, "meter": key, "dimensions": msgspec.json.decode(dimensions), "from": span.start,
            "to": span.end, "quantity": plain(await quantity(db, key, meters, series, span)),
        }
        for (service_id, key, dimensions), series in groups.items()
        for span in spans
    ]  # fmt: skip


def _unprocessable(detail: str) -> Problem:
    return Problem(422, "Unprocessable Content", detail)


def _check_names(meters: Meters, asked: Asked) -> None:
    """Raises `Problem` for a meter that is not there, or a dimension that no version of it is kept apart by."""
    if asked.meter is not None and asked.meter not in meters:
        raise Problem(404, "Not Found", "no such meter")
    keys = meters.keys() if asked.meter is None else [asked.meter]
    known = {name for key in keys for version in meters.versions(key) for name in version.meter.group_by}
    if unknown := set(asked.group_by) - known:
        raise _unprocessable(f"not kept apart by: {', '.join(sorted(unknown))}")


def _days_of(asked: Asked, zone: ZoneInfo) -> Span:
    """The days asked for, as instants. Raises `Problem` at the ends of the calendar, which zones lead out of."""
    try:
        return days(asked.first, asked.after, zone)
    except OverflowError:
        raise _unprocessable("`from` and `to` lie beyond the calendar") from None


def _hour_from(hour: datetime) -> Span:
    """The hour that begins at an instant. Raises `Problem` at the ends of the calendar."""
    try:
        start = hour.astimezone(UTC)
        return Span(start, start + HOUR)
    except OverflowError:
        raise _unprocessable("`hour` lies beyond the calendar") from None


async def _events(db: Connection, tenant: Record, span: Span, meter: str | None) -> list[dict[str, Any]]:
    found = [arrival async for arrivals, _ in events(db, {tenant["no"]: span}) for arrival in arrivals]
    found.sort(key=lambda event: (event.at, event.key))
    if meter is not None:
        knowledge = Knowledge()
        await knowledge.refresh(db)
        if meter not in knowledge.meters:
            raise Problem(404, "Not Found", "no such meter")
        found = counted_by(
            meter, found, await knowledge.services(db, {event.said.service_id for event in found}), knowledge.meters
        )
    return [msgspec.json.decode(event.raw) for event in found]


def _shown(row: Record) -> dict[str, Any]:
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in row.items()}
