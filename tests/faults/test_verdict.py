"""The verdict is not blind: what is planted is seen."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.servers import Servers
from tests.faults.verdict import Count
from tests.faults.world import World, finish, world

pytestmark = pytest.mark.cluster

PLANTED = {
    "a raw event missing": ("delete from usage_block where id = (select min(id) from usage_block)", "lost"),
    "a bucket missing": ("delete from meter_bucket where ctid = (select min(ctid) from meter_bucket)", "lost"),
    "a bucket with one event too many": (
        "update meter_bucket set n = n + 1 where ctid = (select min(ctid) from meter_bucket)", "doubled",
    ),
    "a bucket a tenth of a cent off": (
        "update meter_bucket set total = total + 0.001 where ctid = (select min(ctid) from meter_bucket)", "wrong",
    ),
    "an event counted in the account only": ("update usage_tally set n = n + 1 where outcome = 'counted'", "wrong"),
    "a key missing": ("delete from usage_key_1 where ctid = (select min(ctid) from usage_key_1)", "wrong"),
    "an effect that did not happen": ("delete from record_effect where id = 's0'", "lost"),
    "an effect that happened twice": ("update job_effect set n = 2 where id = 's0'", "doubled"),
    "an effect of nothing": ("insert into record_effect (id) values ('nobody')", "wrong"),
    "a record rejected that should not be": (
        "insert into reject (topic, part, log_id, \"offset\", reason, detail) values ('usage.v1', 0, 'x', 0, 'x', 'x')", "wrong",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
async def settled(ill_treated: Servers) -> AsyncIterator[World]:
    async with world(ill_treated, seed=1) as case:
        await case.start_worker(instance="0")
        await case.send(20)
        assert await finish(case) == Count()
        yield case


@pytest.mark.parametrize("planted", PLANTED)
async def test_the_verdict_sees(settled: World, planted: str) -> None:
    statement, seen_as = PLANTED[planted]
    async with settled.connected() as db:
        planting = db.transaction()
        await planting.start()
        await db.execute(statement)
        assert getattr(await settled.effects(db), seen_as) > 0
        await planting.rollback()


async def test_what_does_not_settle_says_where_it_stands(
    settled: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = await settled.start_worker(instance="1")
    await ended.kill()
    with pytest.raises(TimeoutError):
        await settled.settle(0)
    said = capsys.readouterr().out
    for part in (
        "runs: ",
        '"status":"ready"',
        "a worker that has ended",
        "ends: ",
        "consumer_offset: ",
    ):
        assert part in said, said
