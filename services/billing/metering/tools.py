"""What `vicino meters` does: list definitions, compare buckets with raw events, add up again."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from services.billing import store as billing
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import midnight
from services.billing.metering.checks import CheckOutcome, ensure_raw, rebuild, verify
from services.billing.store import sql
from services.chassis.database import Connection, connect
from services.chassis.store import collect

SERVICE = "billing"
ROME = ZoneInfo("Europe/Rome")


class NoSuchTarget(RuntimeError):
    """There is no such tenant, or version of a meter."""


async def _open(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await connect(url, SERVICE, "vicino-billing-operator")


async def definitions(url: str) -> list[tuple[Any, ...]]:
    """All versions of all meters."""
    db = await _open(url)
    try:
        found = await collect(sql.meter_versions(db))
    finally:
        await db.close()
    ordered = sorted(found, key=lambda row: (row["key"], row["version"]))
    return [
        (row["key"], row["version"], f"{row['valid_from']:%Y-%m-%d %H:%M}Z", row["meter"]["aggregation"],
         row["meter"].get("event") or row["key"], row["meter"].get("filter") or "", ", ".join(row["meter"].get("group_by", [])))
        for row in ordered
    ]  # fmt: skip


async def _tenants(db: Connection, wanted: str | None) -> list[BilledTenant]:
    found = await billing.tenants(db)
    chosen = [row for row in found if wanted is None or wanted in (row.id, row.external_id)]
    if wanted is not None and not chosen:
        raise NoSuchTarget(f"no tenant has the id or external id {wanted}")
    return chosen


async def verified(
    url: str, first: date, after: date, meter: str | None, tenant: str | None
) -> AsyncIterator[tuple[str, CheckOutcome]]:
    """Compare tenant by tenant; yields (external id, what was found)."""
    db = await _open(url)
    try:
        for row in await _tenants(db, tenant):
            yield row.external_id or row.id, await verify(db, [row], first, after, meter)
    finally:
        await db.close()


async def rebuilt(
    url: str, first: date, after: date, meter: str | None, tenant: str | None, version: int | None
) -> AsyncIterator[tuple[str, int]]:
    """Add up tenant by tenant; yields (external id, buckets now).

    With `version`, that definition counts from `first` on: all that it may now apply to is added up, whatever `after` says
    and wherever the tenant's midnight is.
    """
    db = await _open(url)
    try:
        if version is not None and meter is not None:
            first, after = first - timedelta(1), max(after, datetime.now(UTC).date() + timedelta(2))
            await ensure_raw(db, midnight(first, ROME))
            await _date(db, meter, version, first + timedelta(1))
        for row in await _tenants(db, tenant):
            yield row.external_id or row.id, await rebuild(db, row.id, first, after, meter)
    finally:
        await db.close()


async def _date(db: Connection, meter: str, version: int, first: date) -> None:
    """Let a definition count from midnight in Rome of a day; rebuilding does the rest."""
    known = [
        row
        for row in await collect(sql.meter_versions(db))
        if (row["key"], row["version"]) == (meter, version)
    ]
    if not known:
        raise NoSuchTarget(f"meter {meter} has no version {version}: see `vicino meters list`")
    async with db.transaction():
        await sql.date_meter_version(
            db, key=meter, version=version, valid_from=midnight(first, ROME)
        )
        await sql.touch_catalogue(db)
