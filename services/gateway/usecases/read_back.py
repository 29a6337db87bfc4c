"""What the operator put, as it was put: the catalogue, and resellers."""

from typing import Any, NamedTuple

from services.chassis.store import collect
from services.chassis.web import Problem
from services.gateway.principals import sealed
from services.gateway.store import sql
from services.gateway.usecases.registry import Registry


class Put(NamedTuple):
    """What was put, and the revision that it got."""

    revision: int
    content: dict[str, Any]


async def read_catalogue(registry: Registry) -> Put:
    """The catalogue that was published last. Raises `Problem` 404."""
    async with registry.runtime.pool.acquire() as db:
        row = await sql.newest_catalogue(db)
    if row is None or row["content"] is None:
        why = "none was published" if row is None else "an earlier build published it: put it again"
        raise Problem(404, "Not Found", f"no catalogue to read: {why}")
    return Put(row["revision"], row["content"])


async def read_resellers(registry: Registry) -> list[dict[str, Any]]:
    """Every reseller, by its id, without its persons."""
    async with registry.runtime.pool.acquire() as db:
        return [_shown(row) for row in await collect(sql.resellers_put(db, id=None))]


async def read_reseller(registry: Registry, reseller_id: str) -> Put:
    """One reseller as it was put, with its technician. Raises `Problem` 404."""
    async with registry.runtime.pool.acquire() as db:
        rows = await collect(sql.resellers_put(db, id=reseller_id))
    if not rows:
        raise Problem(404, "Not Found", "no such reseller")
    contact = registry.contacts.open(rows[0]["contact"], sealed.reseller_contact(reseller_id))
    content = (rows[0]["profile"] or {}) | {
        "name": rows[0]["name"], "webhook_url": rows[0]["webhook_url"], "contact": contact
    }  # fmt: skip
    return Put(rows[0]["revision"] or 0, content)


def _shown(row: Any) -> dict[str, Any]:
    profile = row["profile"] or {}
    return {
        "reseller_id": row["id"],
        "name": row["name"],
        "comune": profile.get("place", {}).get("comune"),
        "tier": profile.get("tier"),
        "capacity": profile.get("capacity"),
        "webhook_url": row["webhook_url"],
        "webhook_open": row["webhook_closed_at"] is None,
        "keys": row["keys"],
    }
