"""What comes too late for a month's invoice.

Usage that is too late for a run which is not done yet waits for that run, and is late then: so a run that is delayed
counts what it would have counted in time. A month that is invoiced already is marked, and the next run rates it again.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TypeAlias

from services.billing import store
from services.billing.domain.periods import civil_day
from services.billing.domain.runs import OpenRun, missed, run_key
from services.billing.domain.usage import quarter_of, start_of
from services.billing.metering.gathering import Groups
from services.billing.metering.knowledge import MeteredTenant
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect

MissedRuns: TypeAlias = Mapping[tuple[str, int], str]
"""By tenant and quarter of an hour, what its usage waits for."""


async def missed_runs(
    db: Connection, groups: Groups, tenants: Mapping[str, MeteredTenant], now: datetime, grace_hours: int
) -> MissedRuns:  # fmt: skip
    """Which of these events have missed a run that is not done. The tenants are held."""
    # A month's end, and the grace after it, are later than any event of the month: what is recent has missed nothing.
    recent = quarter_of(now - timedelta(hours=grace_hours))
    older = {
        (events.tenant_id, events.quarter)
        for events in groups
        if events.quarter < recent and events.tenant_id in tenants
    }
    if not older:
        return {}
    rows = await collect(sql.open_runs(db, tenants=sorted({tenant_id for tenant_id, _ in older})))
    runs = {row["tenant_id"]: OpenRun(row["boundary"], row["as_of"]) for row in rows}
    found = {}
    for tenant_id, quarter in older:
        if run := runs.get(tenant_id):
            boundary = missed(start_of(quarter), tenants[tenant_id].zone, run, now, grace_hours)
            if boundary:
                found[tenant_id, quarter] = run_key(tenant_id, boundary)
    return found


async def mark_dirty(db: Connection, tenant_id: str, since: date | datetime) -> None:
    """Let the next run rate the months from the one of `since` (a civil day, or an instant) on again.

    The tenant is held shared, so that no month is closed meanwhile; nothing happens if that month is still open.
    """
    closed_until = await sql.share_tenant(db, id=tenant_id)
    tenant = await store.tenant(db, tenant_id)
    if tenant is None:
        return
    day = civil_day(since, tenant.zone) if isinstance(since, datetime) else since
    if day < civil_day(closed_until, tenant.zone):
        await sql.mark_dirty(db, tenants=[tenant_id], months=[day.replace(day=1)])
