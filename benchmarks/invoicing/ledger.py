"""Transfers: ours, as runs write them, against double entry in plain SQL as pgledger has it, on the same server."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from services.billing import store
from services.billing.domain.ledger import BookedFor, CauseKind, LedgerAccount, Transfer

DOCUMENTS, TOGETHER = 5_000, 50
EACH = (
    Transfer(LedgerAccount.UNBILLED, LedgerAccount.REVENUE, Decimal("100.00")),
    Transfer(LedgerAccount.RECEIVABLE, LedgerAccount.UNBILLED, Decimal("100.00")),
    Transfer(LedgerAccount.RECEIVABLE, LedgerAccount.VAT, Decimal("22.00")),
)
ACCOUNTS = 1_000
"""Of the peer: it keeps a balance on the account's row, so transfers of one account wait for each other."""

PEER = """
create table peer_account (id int primary key, balance numeric not null default 0, version bigint not null default 0);
create table peer_transfer (id bigint generated always as identity primary key, from_id int not null, to_id int not null,
                            amount numeric not null check (amount > 0), at timestamptz not null default now());
create table peer_entry (id bigint generated always as identity primary key, transfer_id bigint not null, account_id int not null,
                         amount numeric not null, before numeric not null, after numeric not null, version bigint not null);
create index peer_entry_account on peer_entry (account_id);
create function peer_move(a int, b int, sum numeric) returns bigint language plpgsql as $$
declare moved bigint; one record;
begin
    perform 1 from peer_account where id in (a, b) order by id for update;
    insert into peer_transfer (from_id, to_id, amount) values (a, b, sum) returning id into moved;
    update peer_account set balance = balance - sum, version = version + 1 where id = a returning balance, version into one;
    insert into peer_entry (transfer_id, account_id, amount, before, after, version)
    values (moved, a, -sum, one.balance + sum, one.balance, one.version);
    update peer_account set balance = balance + sum, version = version + 1 where id = b returning balance, version into one;
    insert into peer_entry (transfer_id, account_id, amount, before, after, version)
    values (moved, b, sum, one.balance - sum, one.balance, one.version);
    return moved;
end $$;
"""


async def ours(db: Any) -> float:
    """Transfers per second: three for a document, fifty documents in a transaction."""
    now, began = datetime.now(UTC), time.perf_counter()
    for first in range(0, DOCUMENTS, TOGETHER):
        booked = [
            (BookedFor(CauseKind.DOCUMENT, f"bench-{n}", f"tenant-{n % ACCOUNTS}", "EUR", date(2026, 11, 1)), EACH)
            for n in range(first, first + TOGETHER)
        ]  # fmt: skip
        async with db.transaction():
            await store.book(db, booked, now)
    return DOCUMENTS * len(EACH) / (time.perf_counter() - began)


async def peer(db: Any) -> float:
    """The same number of transfers between a thousand accounts, in transactions as large, sent as one statement each."""
    await db.execute(PEER)
    await db.execute("insert into peer_account (id) select generate_series(1, $1)", ACCOUNTS)
    together, began = TOGETHER * len(EACH), time.perf_counter()
    for first in range(0, DOCUMENTS * len(EACH), together):
        async with db.transaction():
            await db.execute(
                "select peer_move(1 + n % $3, 1 + (n + 7) % $3, 100) from generate_series($1::int, $2::int) as n",
                first, first + together - 1, ACCOUNTS,
            )  # fmt: skip
    return DOCUMENTS * len(EACH) / (time.perf_counter() - began)
