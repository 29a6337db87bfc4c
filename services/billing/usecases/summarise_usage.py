"""Summarise usage: what became of every usage record so far."""

from typing import Any

from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect


async def summarise_usage(db: Connection) -> dict[str, Any]:
    """How many were counted, duplicates, parked, and rejected by reason."""
    found = await collect(sql.tally(db))
    totals = {
        outcome: sum(row["n"] for row in found if row["outcome"] == outcome)
        for outcome in ("counted", "duplicate", "parked")
    }
    rejected = {
        row["reason"]: row["n"] for row in found if row["outcome"] == "rejected" and row["n"]
    }
    return {
        "counted": totals["counted"],
        "duplicates": totals["duplicate"],
        "parked": totals["parked"],
        "rejected": rejected,
    }
