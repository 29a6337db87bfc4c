"""`make bench-invoicing`: runs of whole months against a plain loop over raw events.

The loop's tenants are compared to the cent in every run; numbers, documents and transfers of all tenants are counted.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console

from benchmarks.invoicing.books import cap_all, furnish_books, plan_runs
from benchmarks.invoicing.ledger import ours, peer
from benchmarks.invoicing.naive import naive
from benchmarks.invoicing.questions import questions
from benchmarks.metering.world import World, memory_mb
from benchmarks.report import Row, median
from services.billing.app import MIGRATIONS
from services.chassis.migrate import migrate
from services.local.ports import free_port
from services.local.roles import ensure_database, ensure_service
from tests.faults.servers import Servers
from tests.support.furnishing import tenant_id

ROME = ZoneInfo("Europe/Rome")
FEW, TENANTS, MANY = 100, 1_000, 5_000
COMPARED = 50
OLD_MONTHS = 36
RUNS = 3
WAIT_SECONDS = 900.0
PASSWORD = "only-for-benchmarks"


@dataclass(frozen=True, slots=True)
class Measured:
    """A run of many tenants."""

    per_second: float
    memory_mb: float


@asynccontextmanager
async def books(
    on: Servers, tenants: int, age_months: int, *, running: bool = False
) -> AsyncIterator[tuple[World, Any, date]]:
    """A world with the books of the last month (or the running one), a connection to them, and this month's boundary."""
    world = World(on, f"bench_{uuid4().hex[:8]}", f"b{uuid4().hex[:6]}.")
    await ensure_database(on.postgres.superuser_url, world.database)
    await ensure_service(world.superuser_url, world.database, "billing", PASSWORD)
    await world.prepare_topics()
    await migrate(world.url, "billing", MIGRATIONS)
    boundary = datetime.now(ROME).date().replace(day=1)
    month = (boundary - timedelta(days=1)).replace(day=1)
    async with world.connected() as db:
        await furnish_books(db, tenants, boundary if running else month, ROME, age_months)
        yield world, db, boundary


async def month_run(on: Servers, tenants: int, age_months: int) -> Measured:
    """How fast one worker makes the documents of a month. Raises `AssertionError` for a wrong cent."""
    async with books(on, tenants, age_months) as (world, db, boundary):
        await plan_runs(db, tenants, boundary)
        worker = await world.worker()
        try:
            rate = await _issued(db, tenants)
            used = memory_mb(worker)
        finally:
            await worker.stop()
        await _check(db, tenants, boundary)
    return Measured(rate, used)


async def _issued(db: Any, tenants: int) -> float:
    """Documents per second, from the first that is seen to the last."""
    first, first_at, began = 0, 0.0, time.perf_counter()
    while time.perf_counter() - began < WAIT_SECONDS:
        n, now = await db.fetchval("select count(*) from invoice"), time.perf_counter()
        if n and not first:
            first, first_at = n, now
        if n >= tenants:
            return float((n - first) / (now - first_at))
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{tenants} documents were not issued within {WAIT_SECONDS:.0f} s")


async def others(on: Servers) -> list[Row]:
    """Questions of a live month, and bare transfers."""
    async with books(on, FEW, 1, running=True) as (world, db, boundary):
        await cap_all(db, boundary)
        port = free_port()
        worker = await world.worker(VICINO_HTTP_PORT=str(port))
        try:
            rows = await questions(f"http://127.0.0.1:{port}", FEW)
        finally:
            await worker.stop()
        own, other = await ours(db), await peer(db)
    return [
        *rows,
        Row.of("ledger transfers/s", own, "double entry in plain SQL, as pgledger", other, ">= 2"),
    ]


async def _check(db: Any, tenants: int, boundary: date) -> None:
    """One document each, numbers without a gap, and what the plain loop says of some, to the cent."""
    numbers = await db.fetch("select number from invoice where boundary = $1", boundary)
    last = sorted(int(row["number"].rpartition("/")[2]) for row in numbers)
    if last != list(range(1, tenants + 1)):
        raise AssertionError(f"{tenants} tenants, {len(last)} documents, or numbers with a gap")
    _, expected = naive(COMPARED, (boundary - timedelta(days=1)).replace(day=1), ROME)
    for n, amounts in enumerate(expected):
        document = await db.fetchval(
            "select document from invoice where tenant_id = $1", tenant_id(n)
        )
        totals = msgspec.json.decode(document)["totals"]
        found = Decimal(totals["imponibile"]), Decimal(totals["imposta"])
        if found != amounts:
            raise AssertionError(f"tenant {n}: {found} was billed, {amounts} is owed")
    transfers = await db.fetchval("select count(*) from transfer")
    if transfers < 3 * tenants:
        raise AssertionError(f"{tenants} documents, but {transfers} transfers in the ledger")


async def run(on: Servers, _: str) -> list[Row]:
    """Everything, in turn."""
    console = Console()
    young: list[Measured] = []
    old: list[Measured] = []
    plain: list[float] = []
    for turn in range(RUNS):
        young.append(await month_run(on, TENANTS, 1))
        old.append(await month_run(on, TENANTS, OLD_MONTHS))
        plain.append(naive(COMPARED, date(2026, 9, 1), ROME)[0])
        console.print(
            f"{datetime.now(UTC):%H:%M:%S} {turn + 1} of {RUNS}: {young[-1].per_second:.0f}, {old[-1].per_second:.0f} of old"
            f" services, {plain[-1]:.0f} by the plain loop", highlight=False,
        )  # fmt: skip
    many = await month_run(on, MANY, 1)
    ours = median([one.per_second for one in young])
    aged = median([one.per_second for one in old])
    data = "3 meters used in each of 720 hours, 2 fees, ledger, commission, numbers"
    return [
        Row.of(f"{TENANTS:,} tenants, {data}: invoices/s, one worker", ours, "plain loop over raw events", median(plain),
               ">= 2,000/s"),
        Row.of(f"the same, services {OLD_MONTHS} months old", aged, "own figure at 1 month", ours, ">= 0.8"),
        Row.of(f"the same, {MANY:,} tenants", many.per_second, f"own figure at {TENANTS:,}", ours, ">= 0.9"),
        Row.of(f"resident memory of the worker after {MANY:,} tenants, MiB", many.memory_mb, f"after {TENANTS:,}",
               median([one.memory_mb for one in young]), "flat"),
        *await others(on),
    ]  # fmt: skip
