"""What metering is measured against: PostgreSQL's bare COPY, a bare decode loop, an idiomatic per-message handler."""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta

from benchmarks.metering.world import CHECKOUT, World
from benchmarks.report import median
from services.billing.metering.arrivals import plainly
from services.local.process import Child

SLICE = 8_000
PEER = "idiomatic"


async def bare_copy(world: World, count: int, seed: int) -> float:
    """Rows per second of COPY into a table with a uuid primary key: five columns, a transaction per slice, nothing else."""
    dice, now = random.Random(seed), datetime.now(UTC)
    rows = [
        (
            UUID(int=dice.getrandbits(128)),
            f"tenant-{n % 500}",
            f"m{n % 3}",
            now,
            Decimal(dice.randrange(100_000)) / 100,
        )
        for n in range(count)
    ]
    db = await asyncpg.connect(world.superuser_url)
    await db.execute("drop table if exists bare")
    await db.execute(
        "create table bare (event_key uuid primary key, tenant text, meter text, at timestamptz, quantity numeric)"
    )
    began = time.perf_counter()
    for n in range(0, count, SLICE):
        async with db.transaction():
            await db.copy_records_to_table("bare", records=rows[n : n + SLICE])
    elapsed = time.perf_counter() - began
    await db.execute("drop table bare")
    await db.close()
    return count / elapsed


class Data(msgspec.Struct, gc=False):
    """What was measured, as anybody would write it down for msgspec."""

    service_id: str
    meter: str
    quantity: Decimal | None = None
    value: str | None = None
    dimensions: dict[str, str] = {}


class Usage(msgspec.Struct, gc=False):
    """A usage event, the same."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data
    principal: str | None = None
    revision: int | None = None


_Attribute = Annotated[str, Meta(min_length=1, max_length=255)]


class StrictData(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The same with msgspec's own constraints for what the schemas ask."""

    service_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    meter: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
    quantity: Annotated[str, Meta(pattern=r"^[0-9]{1,26}(\.[0-9]{1,12})?\Z")] | None = None
    value: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    dimensions: dict[str, str] = {}


class StrictUsage(msgspec.Struct, gc=False):
    """A usage event, the same."""

    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: Literal["vicino.usage.recorded.v1"]
    subject: _Attribute
    time: Annotated[datetime, Meta(tz=True)]
    data: StrictData
    principal: str | None = None
    revision: int | None = None


def decode_rates(raws: Sequence[bytes], rounds: int = 9) -> tuple[float, float, float]:
    """Events per second of CPU time: ours (decoded and validated); msgspec's decoder in a loop, nothing validated; the same
    with its own constraints."""
    loops: list[Callable[[bytes], object]] = [
        plainly, msgspec.json.Decoder(Usage).decode, msgspec.json.Decoder(StrictUsage).decode
    ]  # fmt: skip
    spent: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        for decode, found in zip(loops, spent, strict=True):
            began = time.process_time()
            for raw in raws:
                decode(raw)
            found.append(time.process_time() - began)
    ours, bare, strict = (len(raws) / median(found) for found in spent)
    return ours, bare, strict


SCHEMA = f"""
create schema if not exists {PEER};
drop table if exists {PEER}.event, {PEER}.bucket;
create table {PEER}.event (tenant text, source text, id text, meter text, at timestamptz, quantity numeric,
                           primary key (tenant, source, id));
create table {PEER}.bucket (tenant text, meter text, starts timestamptz, quantity numeric, n bigint,
                            primary key (tenant, meter, starts));
"""


async def per_message(world: World, topic: str, count: int) -> float:
    """Messages per second of the handler that most would write (`handler.py`), from its first message on."""
    db = await asyncpg.connect(world.superuser_url)
    await db.execute(SCHEMA)
    command = [
        sys.executable, "-m", "benchmarks.metering.handler", world.on.kafka.bootstrap, topic, world.superuser_url,
    ]  # fmt: skip
    child = await Child.start(PEER, command, log=world.on.home / "logs/idiomatic.log", cwd=CHECKOUT)
    first = first_at = 0.0
    try:
        async with asyncio.timeout(120):
            while True:
                done = await db.fetchval(f"select count(*) from {PEER}.event")
                now = time.perf_counter()
                if done and not first:
                    first, first_at = float(done), now
                if done >= count:
                    return float((count - first) / (now - first_at))
                await asyncio.sleep(0.05)
    finally:
        await child.stop()
        await db.close()


def sizes(raws: Sequence[bytes]) -> str:
    """How large the events are."""
    return f"{sum(map(len, raws)) / len(raws):.0f} bytes, {len(msgspec.json.decode(raws[0])['data'])} fields"
