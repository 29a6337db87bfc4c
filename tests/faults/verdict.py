"""The verdict of a run: what was sent against what happened, to the last event and the last cent."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from schemas.topics import USAGE
from services.billing.metering.blocks import unpack
from tests.support.furnishing import tenant_id

REST_SECONDS = 30.0
"""After the last fault everything is at rest within this time, or a client is stuck."""


@dataclass(frozen=True)
class Count:
    """Effects that did not happen, happened again, or should not have happened or are not what they should be."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    rest_seconds: float = field(default=0.0, compare=False)
    """How long it took after the last event and the last fault until nothing was left to do."""

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.wrong + other.wrong,
            max(self.rest_seconds, other.rest_seconds),
        )

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return self == Count()


@dataclass
class Sent:
    """What was accepted, and must have its effect once."""

    signals: list[str] = field(default_factory=list)
    usage: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    """Tenant's number and quantity, by event id."""
    rejects: Counter[str] = field(default_factory=Counter)
    """What must be rejected, by topic."""


async def of_effects(db: Any, table: str, wanted: list[str]) -> Count:
    """Rows of an effect table against the ids that should be there."""
    found = {row["id"]: row["n"] for row in await db.fetch(f"select id, n from {table}")}
    return of_ids(Counter(found), wanted)


def of_ids(found: Counter[str], wanted: list[str]) -> Count:
    """How often each id was found against the ids that should be found once."""
    return Count(
        len(set(wanted) - found.keys()),
        sum(n - 1 for n in found.values() if n > 1),
        len(found.keys() - set(wanted)),
    )


async def of_rejects(db: Any, wanted: Counter[str]) -> Count:
    """Rejected records, by topic."""
    found = Counter(
        {
            row["topic"]: row["n"]
            for row in await db.fetch("select topic, count(*) n from reject group by 1")
        }
    )
    return Count(lost=(wanted - found).total(), wrong=(found - wanted).total())


async def of_usage(db: Any, wanted: dict[str, tuple[int, Decimal]]) -> Count:
    """Raw events, keys, buckets and the account, each against what was sent and against each other."""
    raw = of_ids(await _raw_ids(db), list(wanted))
    return raw + await _buckets(db, wanted) + await _account(db, len(wanted))


async def _raw_ids(db: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for block in await db.fetch("select tenants, ns, events from usage_block"):
        for _, raws in unpack(block["events"], block["tenants"], block["ns"], block["tenants"]):
            found.update(msgspec.json.decode(raw)["id"] for raw in raws)
    return found


async def _buckets(db: Any, wanted: dict[str, tuple[int, Decimal]]) -> Count:
    query = (
        "select s.tenant_id, sum(b.n)::int as n, sum(b.total) as total from meter_bucket b "
        "join series s on s.no = b.series_no group by 1"
    )
    found = {row["tenant_id"]: (row["n"], row["total"]) for row in await db.fetch(query)}
    lost = doubled = wrong = 0
    for tenant in {tenant for tenant, _ in wanted.values()}:
        due = [quantity for other, quantity in wanted.values() if other == tenant]
        n, total = found.pop(tenant_id(tenant), (0, Decimal(0)))
        lost, doubled = lost + max(0, len(due) - n), doubled + max(0, n - len(due))
        wrong += n == len(due) and total != sum(due)
    return Count(lost, doubled, wrong + len(found))


async def _account(db: Any, counted: int) -> Count:
    """Sent = counted + duplicates + rejected, and nothing waits: over all logs read, but for what was never there."""
    told = Counter({row["outcome"]: row["n"] for row in await db.fetch(
        "select outcome, sum(n)::int as n from usage_tally group by 1"
    )})  # fmt: skip
    keys = await db.fetchval("select count(*) from usage_key_1") if counted else 0
    passed = await db.fetchval(
        "select coalesce(sum(next_offset), 0)::int from consumer_offset where topic = $1",
        USAGE.name,
    )
    absent = await db.fetchval(
        "select coalesce(sum(to_offset - from_offset + 1), 0)::int from ingest_gap where topic = $1",
        USAGE.name,
    )
    waiting = await db.fetchval("select count(*) from parked_usage")
    return Count(
        wrong=(told["counted"] != counted)
        + (keys != counted)
        + (told.total() != passed - absent)
        + (waiting > 0)
    )
