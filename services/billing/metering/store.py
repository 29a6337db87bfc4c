"""Metering's statements (`queries.sql`), typed where their rows become something."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from services.chassis.database import Connection, load_queries
from services.chassis.store import collect

sql = load_queries(Path(__file__).parent / "queries.sql")


class Series(NamedTuple):
    """What one meter counts for one service in one group."""

    no: int
    service_id: str
    meter: str
    version: int
    dimensions: Mapping[str, str]


async def series_in(db: Connection, tenant_id: str, meter: str | None) -> list[Series]:
    """The series of a tenant, of one meter or of all."""
    found = await collect(sql.series_in(db, tenant_id=tenant_id, meter=meter))
    return [Series(**dict(row)) for row in found]


async def series_of_tenants(db: Connection, tenants: Sequence[str]) -> list[Series]:
    """All series of tenants."""
    found = await collect(sql.series_of_tenants(db, tenants=tenants)) if tenants else []
    return [Series(**dict(row)) for row in found]
