"""What counting must know before it can count: meters, a plan that reads them, tenants, and a service for each."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

ACTIVE_DAYS = 300


def tenant_id(n: int) -> str:
    """Tenant `n`."""
    return str(UUID(int=n))


def service_id(n: int) -> str:
    """The one service of tenant `n`."""
    return str(UUID(int=1_000_000 + n))


def meter_key(n: int) -> str:
    """Meter `n`."""
    return f"m{n}"


async def furnish(db: Any, tenants: int, meters: int) -> None:
    """Put it all into billing's schema, as its own handlers would."""
    keys = [meter_key(n) for n in range(meters)]
    await db.executemany(
        "insert into meter_version values ($1, 1, '1970-01-01Z', 1, $2)",
        [
            (key, _json({"key": key, "name": key, "aggregation": "sum", "unit": "n"}))
            for key in keys
        ],
    )
    await db.execute("insert into catalogue_seen values (true, 1, 1)")
    await db.executemany(
        "insert into tenant (id) values ($1)", [(tenant_id(n),) for n in range(tenants)]
    )
    since, plan = datetime.now(UTC) - timedelta(days=ACTIVE_DAYS), _json(_plan(keys))
    await db.executemany(
        "insert into service values ($1, $2, 'X', 0, $3, $4)",
        [(service_id(n), tenant_id(n), since, plan) for n in range(tenants)],
    )
    await db.execute("analyze")


def _plan(meters: list[str]) -> dict[str, Any]:
    prices = [
        {"meter": key, "code": key, "label": "x", "unit": "n", "price": "1"} for key in meters
    ]
    return {
        "sku": "X", "name": "X", "setup": "0", "recurring": [], "usage": prices, "provisioning": [{"driver": "http"}],
    }  # fmt: skip


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
