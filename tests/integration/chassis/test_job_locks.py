"""Jobs and handlers that meet on the same rows, and kinds that nobody runs."""

import asyncio

import pytest

from services.chassis.backoff import Backoff
from services.chassis.jobs import Job, JobKind, handle
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args, NotRouted
from tests.integration.chassis.test_engine_smoke import MIGRATIONS
from tests.support.deadlocks import deadlocks
from tests.support.running import running, settings_for

ROWS, ROUNDS = 4, 15


class Meet(Args):
    """The domain row that both lock."""

    row: str


meet = JobKind("meet", Meet, attempts=None, backoff=Backoff(0.05), concurrency=8)
nobodys = JobKind("nobodys", Meet)


async def run_meet(job: Job[Meet]) -> None:
    """Locks the domain row, works a little, and ends."""
    async with job.finish() as unit:
        await unit.db.execute("update effect set n = n + 1 where id = $1", job.args.row)
        await unit.db.execute("select pg_sleep(0.01)")


async def test_jobs_and_transactions_that_move_them_meet_without_a_deadlock_and_all_act_once(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    async with running(
        Service("monitoring", settings, MIGRATIONS, jobs=(handle(meet, run_meet),))
    ) as at_work:
        runtime = at_work.runtime
        async with runtime.unit("rows") as unit:
            for n in range(ROWS):
                await unit.db.execute("insert into effect (id, n) values ($1, 0)", f"row-{n}")

        async def answer(n: int, turn: int) -> None:
            """As a handler does: the domain row, then the job of that row is moved or taken away."""
            async with runtime.unit(f"answer {n} {turn}") as unit:
                await unit.db.execute("update effect set n = n + 1000 where id = $1", f"row-{n}")
                await unit.db.execute("select pg_sleep(0.01)")
                for other in range(ROWS) if turn % 2 else reversed(range(ROWS)):
                    unit.enqueue(meet, Meet(row=f"row-{other}"), key=f"row-{other}")
                if turn % 3 == 0:
                    unit.cancel(meet, f"row-{n}")

        for turn in range(ROUNDS):
            await asyncio.gather(*(answer(n, turn) for n in range(ROWS)))
        await at_work.settled()
        rows = await at_work.sql("select n from effect")
    assert await deadlocks(database) == 0
    assert [row["n"] // 1000 for row in rows] == [ROUNDS] * ROWS


async def test_a_kind_that_nobody_runs_cannot_be_enqueued(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    async with running(Service("monitoring", settings, MIGRATIONS)) as at_work:
        with pytest.raises(NotRouted, match="nobodys"):
            async with at_work.runtime.unit("a job for nobody") as unit:
                unit.enqueue(nobodys, Meet(row="x"))
        assert await at_work.sql("select 1 from job") == []
