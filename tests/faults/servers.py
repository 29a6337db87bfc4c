"""Servers of one's own, to be ill-treated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from services.local.kafka import Kafka
from services.local.postgres import Postgres


class Impossible(RuntimeError):
    """This fault cannot be made on this machine; says why."""


@dataclass
class Servers:
    """A PostgreSQL and a Kafka of one's own, to be ill-treated."""

    home: Path
    postgres: Postgres
    kafka: Kafka


@asynccontextmanager
async def servers(
    home: Path, nodes: int = 1, postgres_settings: dict[str, str] | None = None, **settings: str
) -> AsyncIterator[Servers]:
    """Start servers in a folder; `settings` are Kafka's."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    postgres, kafka = await asyncio.gather(
        Postgres.start(
            home / "postgres", log=home / "logs/postgres.log", settings=postgres_settings
        ),
        Kafka.start(home / "kafka", nodes=nodes, settings=settings),
    )
    try:
        yield Servers(home, postgres, kafka)
    finally:
        await asyncio.gather(postgres.stop(), kafka.stop())


async def as_superuser(postgres: Postgres, statement: str, *args: Any) -> None:
    """Run a statement on a case's server."""
    connection = await asyncpg.connect(postgres.superuser_url)
    try:
        await connection.execute(statement, *args)
    finally:
        await connection.close()
