"""Writing what was added up: series, buckets, distinct values, levels. In order of their keys, so that nobody deadlocks."""

from collections.abc import Mapping
from datetime import date, datetime

from services.billing.domain.buckets import Bucket
from services.billing.metering.adding import Late, Sums
from services.billing.metering.knowledge import MeteringKnowledge, SeriesKey
from services.billing.metering.store import sql
from services.billing.store import sql as billing
from services.chassis.database import Connection


async def write(
    db: Connection, knowledge: MeteringKnowledge, sums: Sums, tenant_of: Mapping[str, str]
) -> Mapping[SeriesKey, int]:
    """Add sums to what is stored; returns the numbers of their series. `tenant_of` says whose each service is."""
    series = await knowledge.series(db, tenant_of, dict.fromkeys(key for key, _ in sums.buckets))
    placed = sorted(
        ((series[key], starts, bucket) for (key, starts), (_, bucket) in sums.buckets.items()),
        key=lambda item: (item[0], item[1]),
    )
    if placed:
        await _buckets(db, placed)
    values = sorted((no, starts, value) for no, starts, bucket in placed for value in bucket.values)
    if values:
        nos, hours, ids = zip(*values, strict=True)
        await sql.add_values(db, series=nos, starts=hours, values=ids)
    levels = sorted((no, *level) for no, _, bucket in placed for level in bucket.levels)
    if levels:
        nos, ats, orders, numbers = zip(*levels, strict=True)
        await sql.add_levels(db, series=nos, ats=ats, orders=orders, levels=numbers)
    return series


async def _buckets(db: Connection, placed: list[tuple[int, datetime, Bucket]]) -> None:
    buckets = [bucket for _, _, bucket in placed]
    lasts = [bucket.last or (None, None, None) for bucket in buckets]
    await sql.add_buckets(
        db, series=[no for no, _, _ in placed], starts=[starts for _, starts, _ in placed],
        ns=[bucket.n for bucket in buckets], totals=[bucket.total for bucket in buckets],
        highs=[bucket.high for bucket in buckets], lows=[bucket.low for bucket in buckets],
        last_ats=[at for at, _, _ in lasts], last_orders=[order for _, order, _ in lasts], lasts=[n for _, _, n in lasts],
    )  # fmt: skip


async def write_late(
    db: Connection,
    series: Mapping[SeriesKey, int],
    late: Mapping[tuple[SeriesKey, date], Late],
    tenant_of: Mapping[str, str],
    now: datetime,
) -> None:
    """Note what came too late for its invoice, and have its months rated again.

    It has been written: `series` is what came of that.
    """
    placed = sorted(
        ((series[key], month, item) for (key, month), item in late.items()),
        key=lambda item: item[:2],
    )
    await sql.add_late(
        db, series=[no for no, _, _ in placed], months=[month for _, month, _ in placed],
        ns=[item.n for _, _, item in placed], totals=[item.total for _, _, item in placed], seen=now,
    )  # fmt: skip
    months = sorted({(tenant_of[service_id], month) for (service_id, *_), month in late})
    await billing.mark_dirty(
        db, tenants=[tenant for tenant, _ in months], months=[month for _, month in months]
    )
