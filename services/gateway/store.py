"""The gateway's statements (`queries.sql`), typed."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from schemas.catalogue import Plan
from services.chassis.database import Connection, load_queries
from services.chassis.store import rows
from services.gateway.domain.admission import Service, Tenant
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault

sql = load_queries(Path(__file__).parent / "queries.sql")


async def plans(db: Connection) -> dict[str, Plan]:
    """The plans in force, by SKU."""
    found = [Plan.model_validate(row["plan"]) for row in await rows(sql.plans(db))]
    return {plan.sku: plan for plan in found}


async def tenants(db: Connection, ids: Sequence[str]) -> dict[str, Tenant]:
    """The tenants among `ids`."""
    return {row["id"]: Tenant(row["reseller_id"]) for row in await rows(sql.tenants(db, ids=list(ids)))}


async def services(db: Connection, ids: Sequence[str]) -> dict[str, Service]:
    """The service instances among `ids`."""
    found = await rows(sql.services(db, ids=list(ids)))
    return {row["id"]: Service(row["tenant_id"], row["sku"]) for row in found}


async def add_refusals(
    db: Connection, at: datetime, principal: str, faults: Sequence[Fault], events: Sequence[Incoming]
) -> None:
    """Keep what was refused, with the id the sender gave, where it could be read."""
    named = {event.index: event.attributes for event in events}
    await sql.add_refusals(
        db, at=at, principal=principal, sources=[named.get(fault.index, {}).get("source") for fault in faults],
        ids=[named.get(fault.index, {}).get("id") for fault in faults], indexes=[fault.index for fault in faults],
        pointers=[fault.pointer for fault in faults], reasons=[fault.reason for fault in faults],
        details=[fault.detail for fault in faults],
    )  # fmt: skip
