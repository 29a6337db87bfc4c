"""Jobs on the real table: timers follow the injected clock, no job stops the others, none vanishes, a stop gives back."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

from services.chassis import store
from services.chassis.backoff import Backoff
from services.chassis.clock import ManualClock
from services.chassis.jobs import GiveUp, Job, JobHandler, JobKind, NotYet, handle
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args, Unit
from tests.integration.chassis.test_engine_smoke import MIGRATIONS
from tests.support.running import Running, running, settings_for

START = datetime(2026, 11, 1, tzinfo=UTC)


class Call(Args):
    """Whom to call."""

    name: str


call = JobKind("call", Call, attempts=2, backoff=Backoff(0.05), lease_seconds=20.0, concurrency=2)


async def note(job: Job[Call]) -> None:
    async with job.finish() as unit:
        await unit.db.execute("insert into effect (id) values ($1)", job.args.name)


async def service(handler: JobHandler, database: str, bootstrap: str, prefix: str) -> Service:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, prefix)
    return Service("monitoring", settings, MIGRATIONS, jobs=(handler,))


async def ask(at_work: Running, *names: str, at: datetime | None = None) -> None:
    async with at_work.runtime.unit(f"ask {names}") as unit:
        for name in names:
            unit.enqueue(call, Call(name=name), at=at)


async def done(at_work: Running) -> list[str]:
    return [row["id"] for row in await at_work.sql("select id from effect order by id")]


async def failed(at_work: Running) -> list[str]:
    return [
        row["last_error"]
        for row in await at_work.sql("select last_error from job where state = 'failed'")
    ]


async def test_a_job_whose_arguments_no_longer_fit_is_kept_for_a_person_and_the_others_go_on(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with running(
        await service(handle(call, note), database, bootstrap, topic_prefix)
    ) as at_work:
        async with at_work.runtime.pool.acquire() as db:
            await db.execute(
                "insert into job (id, kind, args, run_at) select gen_random_uuid(), 'call', $1, now() from generate_series(1, 5)",
                {"secret": "hunter2"},
            )
        await ask(at_work, "good")
        kept = await at_work.eventually(partial(failed, at_work))
        await at_work.settled()
        assert await done(at_work) == ["good"]
        kept = await failed(at_work)
        assert len(kept) == 5
        assert all("/name: Field required" in why and "hunter2" not in why for why in kept)


async def test_a_job_that_cannot_even_be_ended_is_kept_with_both_reasons(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async def give_up(job: Job[Call]) -> None:
        raise GiveUp("nobody answers")

    async def end(args: Call, unit: Unit, why: str) -> None:
        await unit.db.execute("insert into effect (id) values (null)")

    handler = handle(call, give_up, exhausted=end)
    async with running(await service(handler, database, bootstrap, topic_prefix)) as at_work:
        await ask(at_work, "lost")
        kept = await at_work.eventually(partial(failed, at_work))
        assert kept == [
            "could not be ended: NotNullViolationError (23502), after GiveUp: nobody answers"
        ]


async def test_a_timer_follows_the_injected_clock_however_far_it_jumps(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    clock = ManualClock(START)
    async with running(
        await service(handle(call, note), database, bootstrap, topic_prefix), clock
    ) as at_work:
        await ask(at_work, "in a month", at=START + timedelta(days=30))
        await ask(at_work, "now")
        await at_work.eventually(partial(done, at_work))
        assert await done(at_work) == ["now"]
        clock.advance(timedelta(days=400))
        await at_work.settled()
        assert await done(at_work) == ["in a month", "now"]


async def test_a_stop_gives_back_what_is_at_work_untried_and_begins_nothing_else(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    begun: list[str] = []

    async def slow(job: Job[Call]) -> None:
        begun.append(job.args.name)
        await asyncio.sleep((0.3, 1.5, 60)[min(len(begun), 3) - 1])

    at_rest = await service(handle(call, slow), database, bootstrap, topic_prefix)
    async with running(at_rest) as at_work:
        await ask(at_work, *(f"call-{n}" for n in range(9)))
        await at_work.eventually(lambda: asyncio.sleep(0, len(begun) >= 2))
    async with running(
        await service(handle(call, note), database, bootstrap, topic_prefix)
    ) as at_work:
        await at_work.settled()
        assert set(await done(at_work)) == {f"call-{n}" for n in range(9)} - set(begun[:2])
        assert len(begun) == 2


async def test_a_job_is_given_up_by_time_and_its_end_is_told_however_its_error_reads(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    tried: list[int] = []
    patient = JobKind(
        "patient",
        Call,
        attempts=None,
        give_up_after=timedelta(hours=24),
        backoff=Backoff.schedule((300,)),
    )

    async def refuse(job: Job[Call]) -> None:
        tried.append(job.attempt)
        raise RuntimeError("\x00 \ud800" + "x" * 1_000_000)

    async def end(args: Call, unit: Unit, why: str) -> None:
        await unit.db.execute("insert into effect (id) values ($1)", f"{args.name}: {why}")

    clock = ManualClock(START)
    handler = handle(patient, refuse, exhausted=end)
    async with running(await service(handler, database, bootstrap, topic_prefix), clock) as at_work:
        async with at_work.runtime.unit("ask") as unit:
            unit.enqueue(patient, Call(name="slow"))
        await at_work.settled()
        for hours in (1, 12, 10):
            clock.advance(timedelta(hours=hours))
            await at_work.settled()
        assert tried == [1, 2, 3, 4]
        (waiting,) = await at_work.sql("select last_error, failing_since from job")
        assert len(waiting["last_error"]) <= 500
        assert waiting["failing_since"] == START
        clock.advance(timedelta(hours=2))
        await at_work.settled()
        (ended,) = await done(at_work)
        assert ended.startswith("slow: RuntimeError: ")
        assert await at_work.sql("select 1 from job") == []


async def test_a_job_that_cannot_begin_is_seen_with_its_reason_until_it_can(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    can_begin: list[bool] = []

    async def wait(job: Job[Call]) -> None:
        if not can_begin:
            raise NotYet(60, "what it needs is not here yet")
        await note(job)

    clock = ManualClock(START)
    handler = handle(call, wait)
    async with running(await service(handler, database, bootstrap, topic_prefix), clock) as at_work:
        await ask(at_work, "early")
        await at_work.settled()
        clock.advance(timedelta(hours=2))
        await at_work.settled()
        (waiting,) = await at_work.sql("select attempt, last_error, failing_since from job")
        assert tuple(waiting) == (0, "what it needs is not here yet", START)
        async with at_work.runtime.pool.acquire() as db:
            (counts,) = await store.job_counts(db, clock.now())
        assert counts["failing_seconds"] == 7200
        can_begin.append(True)
        clock.advance(timedelta(minutes=1))
        await at_work.settled()
        assert await done(at_work) == ["early"]
        assert await at_work.sql("select 1 from job") == []
