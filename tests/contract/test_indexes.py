"""No index can refuse what a door, a topic or a catalogue lets in: a b-tree takes rows of 2,704 bytes."""

import importlib
from pathlib import Path

import asyncpg
import pytest

from services.chassis.migrate import migrate
from services.local.roles import SERVICES, ensure_service, role_of
from tests.support.databases import PASSWORD

ROW_BYTES_MAX = 2_600
"""A little less than PostgreSQL's limit: a row of an index has a header, and each text one of its own."""

KEY, UUID, ATTRIBUTE, WORD = 100, 36, 255 * 4, 64
"""Bytes: a `Key`, an id of ours, an attribute of an envelope in the widest script, a word of our own code."""

BOUNDS = {
    "subject or id": ATTRIBUTE,  # whatever is not named below is at most an attribute of an event
    "topic": KEY, "log_id": UUID, "reason": WORD, "kind": WORD, "outcome": WORD, "state": WORD, "limit_name": 300,
    "sku": KEY, "meter": KEY, "waits_for": UUID, "service_id": UUID, "series": WORD, "number": WORD,
    "principal": KEY, "sender": KEY, "reseller_id": KEY, "order_id": UUID, "fingerprint": ATTRIBUTE,
    "cause": WORD, "cause_id": UUID, "party": KEY, "debit": WORD, "credit": WORD, "currency": WORD,
    "recipient": 320 * 4, "name": KEY,
}  # fmt: skip
UNBOUNDED = {"jsonb", "json", "text[]"}


@pytest.mark.parametrize("service", SERVICES)
async def test_no_index_can_refuse_what_comes_in(service: str, database: str) -> None:
    await ensure_service(database, database.rsplit("/", 1)[1], service, PASSWORD)
    url = f"postgresql://{role_of(service)}:{PASSWORD}@{database.split('@', 1)[1]}"
    module = importlib.import_module(f"services.{service}.app")
    await migrate(url, service, Path(module.MIGRATIONS))
    db = await asyncpg.connect(url)
    found = await db.fetch(
        "select i.indexrelid::regclass::text as index, array_agg(a.attname::text) as columns,"
        " array_agg(format_type(a.atttypid, null)) as types"
        " from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam"
        " join pg_attribute a on a.attrelid = i.indexrelid"
        " where c.relnamespace = $1::regnamespace and m.amname = 'btree' group by 1",
        service,
    )
    await db.close()
    assert found
    for row in found:
        size = 0
        for column, kind in zip(row["columns"], row["types"], strict=True):
            assert kind not in UNBOUNDED, f"{row['index']}: {column} is {kind}: index a hash of it"
            size += BOUNDS.get(column, ATTRIBUTE) if kind == "text" else 32
        assert size <= ROW_BYTES_MAX, (
            f"{row['index']} may have rows of {size} bytes: index a hash of its texts"
        )
