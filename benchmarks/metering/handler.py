"""The peer: usage handled message by message, as FastStream's documentation shows it, with upserts in a transaction each.

It deduplicates by primary key and adds to hourly buckets; it is right as long as nothing fails.
"""

import asyncio
import sys
from datetime import datetime
from decimal import Decimal

import asyncpg
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel


class Data(BaseModel):
    """What was measured."""

    service_id: str
    meter: str
    quantity: Decimal


class Usage(BaseModel):
    """A usage event."""

    id: str
    source: str
    subject: str
    time: datetime
    data: Data


def build(bootstrap: str, topic: str, url: str) -> FastStream:
    """The application."""
    broker = KafkaBroker(bootstrap, logger=None)
    app = FastStream(broker, logger=None)
    pools: list[asyncpg.Pool[asyncpg.Record]] = []

    @app.on_startup
    async def connect() -> None:
        pools.append(await asyncpg.create_pool(url, min_size=2, max_size=8))

    @broker.subscriber(
        topic,
        group_id=topic + "idiomatic",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def count(event: Usage) -> None:
        starts = event.time.replace(minute=0, second=0, microsecond=0)
        async with pools[0].acquire() as db, db.transaction():
            new = await db.fetchval(
                "insert into idiomatic.event values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning 1",
                event.subject, event.source, event.id, event.data.meter, event.time, event.data.quantity,
            )  # fmt: skip
            if new:
                await db.execute(
                    "insert into idiomatic.bucket values ($1, $2, $3, $4, 1) on conflict (tenant, meter, starts) "
                    "do update set quantity = bucket.quantity + excluded.quantity, n = bucket.n + 1",
                    event.subject, event.data.meter, starts, event.data.quantity,
                )  # fmt: skip

    return app


if __name__ == "__main__":
    asyncio.run(build(*sys.argv[1:4]).run())
