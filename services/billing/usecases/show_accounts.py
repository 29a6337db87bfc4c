"""Show what the accounts of the ledger come to."""

from typing import Any

from schemas.scalars import plain
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect


async def show_accounts(db: Connection, party: str | None) -> list[dict[str, Any]]:
    """Each account and currency with its balance, debits less credits: of one party, or of all.

    Over all accounts of a currency the balances sum to 0. A tenant or reseller without transfers has no accounts.
    """
    return [
        {**dict(row), "balance": plain(row["balance"])}
        for row in await collect(sql.balances(db, party=party))
    ]
