"""Where a case stands that does not settle: what a person would look at first."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError

from services.local.process import Child, tail
from tests.support.account import TABLES


@dataclass(frozen=True)
class Standing:
    """How to ask."""

    workers: Sequence[Child]
    get: Callable[[int, str], Awaitable[str]]
    ends: Callable[[], Awaitable[Any]]
    connected: Callable[[], AbstractAsyncContextManager[Any]]
    log: Path


async def account(of: Standing) -> str:
    """The workers and their readiness, offsets, outbox and jobs, and the end of the log."""
    lines = ["not settled:"]
    for worker in of.workers:
        pid = worker.program()
        lines.append(
            "a worker that has ended"
            if pid is None
            else f"worker {pid} runs: {await of.get(pid, '/readyz')}"
        )
    try:
        lines.append(f"ends: {await of.ends()}")
        async with of.connected() as db:
            for name, query in TABLES.items():
                lines += [f"{name}: {dict(row)}" for row in await db.fetch(query)]
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        KafkaError,
        TimeoutError,
    ) as error:
        lines.append(f"a server does not say more: {error!r}")
    return "\n".join([*lines, tail(of.log)])


def above_zero(metrics: str, name: str, label: str) -> bool:
    """Whether a metric, of a label if said, is above zero on a metrics page."""
    lines = [line for line in metrics.splitlines() if line.startswith(name) and label in line]
    return any(float(line.rsplit(" ", 1)[1]) > 0 for line in lines)
