"""Buckets are checked against raw events and added up anew, by themselves and by hand."""

import asyncio
import os
import random
import sys
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.billing import app
from services.billing.metering.checks import RawGone
from services.billing.metering.tools import rebuilt
from services.billing.usecases import check_meters
from tests.integration.billing.metering import (
    CALLS,
    DOCUMENTS,
    LEVEL,
    NOVEMBER,
    call,
    counted,
    meter,
    offer,
    scenario,
    total,
)
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    open_scenario,
    used,
)

__all__ = ["scenario"]


async def test_a_window_is_added_up_anew_under_another_definition_while_usage_flows_in(
    scenario: Scenario,
) -> None:
    dice, done = random.Random(8), asyncio.Event()
    await scenario.publish(catalogue(offer(meter("calls", "sum", group_by=["region"])), revision=2))

    async def flow() -> int:
        n = 0
        while not done.is_set():
            some = [
                call(
                    f"u{n + i}",
                    dice.randrange(600),
                    dimensions={"region": dice.choice(["eu", "us"])},
                )
                for i in range(30)
            ]
            await scenario.service.publish(*some, *dice.sample(some, 3))
            n += 30
        return n

    async def again() -> None:
        try:
            await scenario.service.eventually(lambda: counted(scenario))
            for version in (2, None, None):
                before = await counted(scenario)
                assert [
                    name
                    async for name, _ in rebuilt(scenario.url, *NOVEMBER, "calls", None, version)
                ] == [TENANT]
                await scenario.service.eventually(partial(_more, scenario, before))
        finally:
            done.set()

    sent, _ = await asyncio.gather(flow(), again())
    await scenario.service.settled()
    assert await scenario.differences(*NOVEMBER) == []
    assert (
        (await scenario.account())[("counted", "")]
        == await counted(scenario)
        == int(await total(scenario))
        == sent
    )
    versions = await scenario.service.sql(
        "select distinct version from meter_bucket join series on no = series_no where meter = 'calls'"
    )
    assert [row["version"] for row in versions] == [2]


async def _more(scenario: Scenario, than: int) -> bool:
    return await counted(scenario) > than


async def test_a_slice_that_waited_for_a_rebuild_counts_by_the_definition_that_it_left(
    scenario: Scenario,
) -> None:
    await scenario.publish(catalogue(offer(meter("calls", "sum", group_by=["region"])), revision=2))
    async with scenario.service.runtime.pool.acquire() as db, db.transaction():
        await db.fetch("select from tenant where id = $1 for update", TENANT)
        await scenario.service.publish(call("u1"))
        await scenario.waiting_for_a_lock(1)
        await db.execute(
            "update meter_version set valid_from = $1 where key = 'calls' and version = 2", START
        )
        await db.execute("update catalogue_seen set changed = changed + 1")
    await scenario.service.settled()
    assert (await counted(scenario), await scenario.differences(*NOVEMBER)) == (1, [])


PLANTED = {
    "an event too many": "update meter_bucket set n = n + 1 where series_no = $1 and starts = $2",
    "a wrong total": "update meter_bucket set total = total - 1 where series_no = $1 and starts = $2",
    "a bucket that is gone": "delete from meter_bucket where series_no = $1 and starts = $2",
    "a bucket without events":
        "insert into meter_bucket (series_no, starts, n, total) values ($1, $2::timestamptz + interval '1 day', 1, 1)",
    "a value that is gone":
        "delete from meter_value where ctid = (select max(ctid) from meter_value where series_no = $1 and starts = $2)",
    "a value too many": "insert into meter_value values ($1, $2, gen_random_uuid())",
    "a value without a bucket": "insert into meter_value values ($1, $2::timestamptz + interval '1 day', gen_random_uuid())",
    "a wrong level": "update meter_level set level = level + 1 where series_no = $1 and at = $2",
    "a level that is gone": "delete from meter_level where series_no = $1 and at = $2",
    "a level too many": "insert into meter_level values ($1, $2::timestamptz + interval '1 day', 'x', 1)",
}  # fmt: skip


async def furnish(scenario: Scenario) -> None:
    """Two hours of each meter."""
    await scenario.publish(
        *(call(f"c{n}", n * 30) for n in range(4)),
        *(
            used(f"d{n}", START + n * timedelta(minutes=30), meter="documents", value=f"doc-{n}")
            for n in range(4)
        ),
        *(
            used(f"l{n}", START + n * timedelta(minutes=30), meter="level", quantity=str(n))
            for n in range(4)
        ),
    )


async def test_whatever_is_wrong_in_a_bucket_is_found_and_put_right(scenario: Scenario) -> None:
    await furnish(scenario)
    meters = {"meter_bucket": "calls", "meter_value": "documents", "meter_level": "level"}
    for what, statement in PLANTED.items():
        [key] = {key for table, key in meters.items() if table in statement}
        [row] = await scenario.service.sql("select no from series where meter = $1", key)
        await scenario.service.sql(statement, row["no"], START)
        found = await scenario.differences(*NOVEMBER)
        assert [(one.meter, one.tenant_id, one.service_id) for one in found] == [
            (key, TENANT, ERP)
        ], what
        assert found[0].stored != found[0].recomputed or "1 of them only here" in found[0].stored
        assert [one.meter for one in await scenario.differences(*NOVEMBER, "calls")] == [
            "calls"
        ] * (key == "calls")
        assert [name async for name, _ in rebuilt(scenario.url, *NOVEMBER, key, TENANT, None)] == [
            TENANT
        ]
        assert await scenario.differences(*NOVEMBER) == [], what
    assert await total(scenario, "documents") == await total(scenario) == "4"


async def test_every_six_hours_buckets_are_checked_and_old_days_let_go(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LOOK_EVERY_SECONDS", 0.02)

    async def shown(differences: int) -> bool:
        return REGISTRY.get_sample_value("vicino_billing_meter_differences") == differences

    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=10), usage_raw_days=3
    ) as scenario:
        await scenario.publish(catalogue(offer(CALLS, DOCUMENTS, LEVEL)))
        await scenario.publish(activated(ERP, "X"))
        await furnish(scenario)
        await scenario.service.sql("update meter_bucket set n = n + 1")
        for checks, differences in enumerate((6, 0), 1):
            scenario.clock.advance(timedelta(hours=5))
            await scenario.publish(catalogue(offer(CALLS, DOCUMENTS, LEVEL), revision=1 + checks))
            scenario.clock.advance(timedelta(hours=1))
            await scenario.service.settled()
            found = await scenario.service.sql(
                "select from_day, to_day, buckets, differences from meter_check order by id"
            )
            assert len(found) == checks
            assert tuple(found[-1]) == (date(2026, 10, 31), date(2026, 11, 2), 6, differences)
            await scenario.service.eventually(partial(shown, differences))
            assert [
                name async for name, _ in rebuilt(scenario.url, *NOVEMBER, None, None, None)
            ] == [TENANT]
        days = "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'usage_block'::regclass order by 1"
        for now, kept in [(3, ["1101", "1104"]), (4, ["1104", "1105"])]:
            scenario.clock.set(START + timedelta(days=now, hours=10))
            await scenario.publish(call(f"day {now}", now * 1440))
            assert [row["name"] for row in await scenario.service.sql(days)] == [
                f"usage_block_2026{day}" for day in kept
            ]
        before = await scenario.service.sql("select * from meter_bucket order by 1, 2")
        with pytest.raises(RawGone):  # what is no longer all there is not added up again
            assert [name async for name, _ in rebuilt(scenario.url, *NOVEMBER, None, None, None)]
        assert await scenario.service.sql("select * from meter_bucket order by 1, 2") == before


async def test_a_check_goes_on_where_it_stopped_and_finds_what_differs_among_many_tenants(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_meters, "TENANTS_AT_ONCE", 2)
    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=10)
    ) as scenario:
        await scenario.publish(catalogue(offer(CALLS)))
        tenants = [str(UUID(int=n)) for n in range(1, 6)]
        for n, tenant in enumerate(tenants):
            await scenario.publish(activated(str(UUID(int=100 + n)), "X", tenant=tenant))
        await scenario.service.settled()
        for n, tenant in enumerate(tenants):
            await scenario.publish(
                call(f"c{n}", 5, service_id=str(UUID(int=100 + n)), tenant=tenant)
            )
        await scenario.service.settled()
        await scenario.service.sql(
            "update meter_bucket set n = n + 1 where series_no in (select no from series where tenant_id = any($1))",
            [tenants[1], tenants[4]],
        )
        scenario.clock.advance(timedelta(hours=6))
        await scenario.service.settled()
        [found] = await scenario.service.sql("select buckets, differences from meter_check")
        assert tuple(found) == (5, 2)


@pytest.mark.parametrize("late", [True, False], ids=["late usage", "parked usage"])
async def test_a_transaction_that_fails_leaves_nothing_behind_that_counting_relies_on(
    scenario: Scenario, late: bool
) -> None:
    await scenario.service.sql("create sequence failures")
    await scenario.service.sql("create table failing ()")
    await scenario.service.sql(
        "create function fail() returns trigger language plpgsql as $$ begin if exists (select from failing) then "
        "perform nextval('failures'); raise exception 'not now' using errcode = '40001'; end if; return null; end $$"
    )

    async def failed() -> bool:
        [slices] = await scenario.service.sql("select is_called from failures")
        jobs = await scenario.service.sql("select from job where last_error is not null")
        return bool(slices["is_called"] and (late or jobs))

    await scenario.publish(used("u0", START, meter="documents", value="doc"))
    if late:
        await scenario.service.sql(
            "update tenant set closed_until = $1", START + timedelta(days=30)
        )
    else:
        await scenario.slice(call("u1", service_id=MAIL).encode(), part=1)
        await scenario.slice(call("u2", service_id=MAIL).encode(), part=2)
        await scenario.service.settled()
    await scenario.service.sql("insert into failing default values")
    await scenario.service.sql(
        "create constraint trigger failing after insert or update on usage_tally deferrable initially deferred "
        "for each row execute function fail()"
    )
    await scenario.service.publish(*([call("u1"), call("u2")] if late else [activated(MAIL, "X")]))
    await scenario.service.eventually(failed)
    await scenario.service.sql("delete from failing")
    scenario.clock.advance(timedelta(minutes=1))
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 3}
    assert (
        await counted(scenario),
        await total(scenario),
        await scenario.differences(*NOVEMBER),
    ) == (2, "2", [])


async def vicino(scenario: Scenario, *words: str) -> tuple[int, str]:
    """Run `vicino meters …`; how it ended, and all that it said."""
    environment = {**os.environ, "VICINO_POSTGRES_URL": scenario.url, "COLUMNS": "240"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "meters", *words, cwd=Path(__file__).parents[3], env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_an_operator_lists_verifies_and_rebuilds_meters(scenario: Scenario) -> None:
    await furnish(scenario)
    november = ("--from", "2026-11-01", "--to", "2026-12-01")
    (status, said), fine = await asyncio.gather(
        vicino(scenario, "list"), vicino(scenario, "verify", *november)
    )
    assert status == 0
    assert all(key in said for key in ("calls", "documents", "level", "unique_count"))
    assert fine == (0, "6 buckets compared with their events, 0 differ.\n")
    await scenario.service.sql(
        "update meter_bucket set total = 5 where total is not null and starts = $1", START
    )
    wrong, elsewhere, tenant, version, alone = await asyncio.gather(
        vicino(scenario, "verify", *november, "--tenant", TENANT),
        vicino(scenario, "verify", *november, "--meter", "documents"),
        vicino(scenario, "verify", *november, "--tenant", "nobody"),
        vicino(scenario, "rebuild", *november, "--meter", "calls", "--as-version", "9"),
        vicino(scenario, "rebuild", *november, "--as-version", "1"),
    )
    assert wrong[0] == 1
    assert "calls v1" in wrong[1]
    assert "stored 2 events, total 5; its events come to 2 events, total 2" in wrong[1]
    assert (elsewhere[0], tenant[0], version[0], alone[0]) == (0, 1, 1, 2)
    assert "no tenant has the id or external id nobody" in tenant[1]
    assert "meter calls has no version 9" in version[1]
    assert "--as-version needs --meter" in alone[1]
    assert await vicino(scenario, "rebuild", *november) == (
        0,
        f"{TENANT}: 6 buckets\n6 buckets added up again.\n",
    )
    assert (await vicino(scenario, "verify", *november))[0] == 0
