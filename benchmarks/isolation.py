"""What trouble of one party costs its neighbour: how long a job waits beside a back-end that hangs or refuses, and the work."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import psutil

from benchmarks.engine import MIGRATIONS, NAME
from benchmarks.report import Row
from services.chassis.backoff import Backoff
from services.chassis.jobs import Job, JobKind, RetryLater, handle
from services.chassis.pending import Limit
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args
from tests.faults.servers import Servers
from tests.support.running import Running, running, settings_for

SINGLES = 300
WATCHED_SECONDS = 10.0
STEPS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits between attempts, as the product has them."""


class Call(Args):
    """Whom to call."""

    about: str


call = JobKind(
    "isolated_call", Call, attempts=None, backoff=Backoff.schedule(STEPS), concurrency=32
)


class Neighbours:
    """A back-end that is well, one that never answers, and one that refuses at once."""

    def __init__(self) -> None:
        self.done: dict[str, asyncio.Event] = {}
        self.refused = 0
        self._never = asyncio.Event()

    async def run(self, job: Job[Call]) -> None:
        """One call."""
        about = job.args.about
        if about.startswith("hangs"):
            await self._never.wait()
        if about.startswith("dead"):
            self.refused += 1
            raise RetryLater(job.kind.backoff.seconds(job.attempt), "refused")
        async with job.finish():
            pass
        self.done[about].set()

    async def waits(self, service: Running) -> list[float]:
        """Milliseconds from a commit to the end of the job it asked for, one after the other."""
        found = []
        for n in range(SINGLES):
            about = f"well-{n}"
            self.done[about] = asyncio.Event()
            async with service.runtime.unit(f"bench-{uuid4()}") as unit:
                unit.enqueue(call, Call(about=about), limit=Limit("well", 4))
            began = time.perf_counter()
            await self.done[about].wait()
            found.append((time.perf_counter() - began) * 1000)
        return found


@asynccontextmanager
async def beside(
    settings: ServiceSettings, trouble: str, count: int, *, lane: bool = False
) -> AsyncIterator[tuple[Running, Neighbours]]:
    """A service with so many jobs for a back-end in trouble."""
    neighbours = Neighbours()
    async with running(
        Service(NAME, settings, MIGRATIONS, jobs=(handle(call, neighbours.run),))
    ) as service:
        async with service.runtime.unit(f"bench-{uuid4()}") as unit:
            for n in range(count):
                unit.enqueue(
                    call,
                    Call(about=f"{trouble}-{n}"),
                    limit=Limit(trouble, 4),
                    lane="one" if lane else None,
                )
        await asyncio.sleep(2)
        yield service, neighbours
        await service.sql("delete from job")


def cpu_seconds(postgres_pid: int) -> float:
    """What this process and PostgreSQL, with its backends of now and before, have used."""
    server = psutil.Process(postgres_pid)
    # A process's own time and, for the server, that of the backends that have ended.
    used = sum(server.cpu_times()[:4])
    for backend in server.children():
        with suppress(psutil.NoSuchProcess):
            used += sum(backend.cpu_times()[:2])
    return used + time.process_time()


async def burned(postgres_pid: int) -> float:
    """The share of a core used while nobody asks for anything, in per cent."""
    before = cpu_seconds(postgres_pid)
    await asyncio.sleep(WATCHED_SECONDS)
    return (cpu_seconds(postgres_pid) - before) / WATCHED_SECONDS * 100


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def run(on_servers: Servers, database: str) -> list[Row]:
    """Each trouble beside none."""
    settings = await settings_for(
        ServiceSettings, NAME, database, on_servers.kafka.bootstrap, f"b{uuid4().hex[:6]}."
    )
    pid = on_servers.postgres.pid
    async with beside(settings, "none", 0) as (service, neighbours):
        alone, idle = p99(await neighbours.waits(service)), await burned(pid)
    rows = []
    for what, trouble, count, lane in (
        ("200 waiting for one that hangs", "hangs", 200, False),
        ("5,000 waiting for one that hangs", "hangs", 5_000, False),
        ("5,000 for one that refuses at once", "dead", 5_000, False),
        ("5,000 of one lane, the first tried again", "dead", 5_000, True),
    ):
        async with beside(settings, trouble, count, lane=lane) as (service, neighbours):
            took, share = p99(await neighbours.waits(service)), await burned(pid)
        rows += [
            Row.of(
                f"{what}: a neighbour's job, p99 ms",
                took,
                "nothing waits, p99 ms",
                alone,
                "< 100 ms more",
            ),
            Row.of(f"{what}: % of a core", share, "nothing waits, % of a core", idle, "< 1 % more"),
        ]
    return rows
