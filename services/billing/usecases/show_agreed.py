"""Show the prices that are agreed with a tenant."""

from typing import Any

from schemas.scalars import plain
from services.billing import store
from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown
from services.chassis.database import Connection
from services.chassis.store import collect


async def show_agreed(db: Connection, tenant_id: str) -> list[dict[str, Any]]:
    """Agreements of all times, in the order of arrival. Raises `NotKnown`."""
    if await store.tenant(db, tenant_id) is None:
        raise NotKnown("no such tenant")
    rows = await collect(sql.agreed_prices(db, tenants=[tenant_id], as_ofs=[store.ALWAYS]))
    return [
        {name: plain(found) if name == "price" else found for name, found in row.items() if name != "tenant_id"}
        for row in rows
    ]  # fmt: skip
