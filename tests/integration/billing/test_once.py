"""Every event is counted once, wherever and whenever it comes again."""

import asyncio
import random
from datetime import timedelta
from uuid import UUID

import pytest

from services.billing.metering.arrivals import read
from services.billing.metering.keys import as_bigint
from tests.integration.billing.metering import (
    CALLS,
    NOVEMBER,
    call,
    counted,
    offer,
    scenario,
    total,
)
from tests.integration.billing.scenario import (
    ERP,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    open_scenario,
    used,
)
from tests.support.catalogue import ROME

__all__ = ["scenario"]


async def test_an_event_counts_once_in_a_slice_in_the_next_on_any_partition_and_after_a_restart(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    raw = call("u1").encode()
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(offer(CALLS)))
        await scenario.publish(activated(ERP, "X"))
        await scenario.slice(raw, raw)
        await scenario.service.settled()
        assert await scenario.account() == {("counted", ""): 1, ("duplicate", ""): 1}
        await scenario.slice(raw)
        for part in range(1, 4):
            await scenario.slice(raw, part=part)
        await scenario.service.settled()
        assert await scenario.account() == {("counted", ""): 1, ("duplicate", ""): 5}
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.slice(raw, call("u2").encode())
        await scenario.service.settled()
        assert await scenario.account() == {("counted", ""): 2, ("duplicate", ""): 6}
        assert await counted(scenario) == 2


async def test_partitions_that_carry_the_same_events_at_once_count_them_once(
    scenario: Scenario,
) -> None:
    raws, dice = [call(f"u{n}", n / 10).encode() for n in range(400)], random.Random(3)
    slices = [(part, dice.sample(raws, 40)) for part in range(4) for _ in range(20)]
    slices += [(part, raws[n : n + 40]) for part in range(4) for n in range(0, 400, 40)]
    dice.shuffle(slices)
    await asyncio.gather(*(scenario.slice(*some, part=part) for part, some in slices))
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 400, ("duplicate", ""): 120 * 40 - 400}
    assert (await counted(scenario), await total(scenario)) == (400, "400")
    assert await scenario.differences(*NOVEMBER) == []


@pytest.mark.parametrize(("again", "commits"), [(0, True), (0, False), (1, True)])
async def test_a_slice_that_meets_another_partition_at_the_same_event_waits_and_looks_again(
    scenario: Scenario, again: int, commits: bool
) -> None:
    # Whether it expects to see events again decides where it meets the other.
    for _ in range(1 + again):
        await scenario.publish(call("u0"))
    raws = [call("u1").encode(), call("u2").encode()]
    one = read(raws[0], 0)
    async with scenario.service.runtime.pool.acquire() as db:
        other = db.transaction()
        await other.start()
        await db.execute(
            "insert into usage_key_1 values ($1, $2)",
            UUID(bytes=one.key),
            as_bigint(one.payload_hash),
        )
        await scenario.slice(*raws)
        await scenario.waiting_for_a_lock(1)
        await (other.commit() if commits else other.rollback())
    await scenario.service.settled()
    account = await scenario.account()
    assert (account[("counted", "")], account.get(("duplicate", ""), 0)) == (
        3 - commits,
        again + commits,
    )
    await scenario.slice(*raws, part=1)
    await scenario.service.settled()
    assert await scenario.account() == {
        ("counted", ""): 3 - commits,
        ("duplicate", ""): again + commits + 2,
    }


async def test_the_same_content_in_another_spelling_is_the_same(scenario: Scenario) -> None:
    at = START + timedelta(minutes=1, milliseconds=500)
    event = used(
        "u1", at, meter="calls", quantity="1.5", dimensions={"region": "eu", "town": "Carpi"}
    ).encode()
    local = at.astimezone(ROME).isoformat()
    spelled = [
        event.replace(b".500000Z", b".500Z"), event.replace(b"2026-10-31T23:01:00.500000Z", local.encode()),
        event.replace(b'"eu"', b'"\\u0065u"'), event.replace(b'"1.5"', b'"01.5"'), event.replace(b'"data":', b' "data" : '),
        event.replace(b'"region":"eu","town":"Carpi"', b'"town":"Carpi","region":"eu"'),
        event.replace(b'"data":{', b'"data":{"new":1,'),
    ]  # fmt: skip
    assert len({event, *spelled}) == 8
    for raw in [event, *spelled]:
        await scenario.slice(raw)
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 1, ("duplicate", ""): 7}


async def test_an_id_with_other_content_is_refused_and_kept_as_it_came(scenario: Scenario) -> None:
    await scenario.slice(call("u1").encode(), call("u1", quantity="2").encode())
    await scenario.service.settled()
    await scenario.slice(call("u1", quantity="3").encode(), part=2)
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 1, ("rejected", "id_reuse"): 2}
    kept = await scenario.service.sql(
        'select topic, part, "offset", tenant_id, reason, key, raw from reject order by id'
    )
    assert [tuple(row) for row in kept] == [
        (
            "usage.v1",
            part,
            offset,
            TENANT,
            "id_reuse",
            b"any",
            call("u1", quantity=quantity).encode(),
        )
        for part, offset, quantity in ((0, 1, "2"), (2, 0, "3"))
    ]
    assert await total(scenario) == "1"


async def test_an_event_that_was_refused_does_not_stand_in_the_way_of_its_correction(
    scenario: Scenario,
) -> None:
    def both(event_id: str) -> tuple[bytes, bytes]:
        return used(event_id, START, meter="calls", value="no quantity").encode(), call(
            event_id
        ).encode()

    await scenario.slice(*both("in one slice"))
    for raw in both("in two"):
        await scenario.slice(raw)
        await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 2, ("rejected", "wrong_value"): 2}


async def test_an_id_is_known_for_a_window_and_the_next_and_its_table_is_dropped_after_that(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(
        database, bootstrap, topic_prefix, usage_window_days=10, usage_late_days=10
    ) as scenario:
        await scenario.publish(catalogue(offer(CALLS)))
        await scenario.publish(activated(ERP, "X"))

        async def tables() -> list[str]:
            found = await scenario.service.sql(
                "select relname from pg_class where relname ~ '^usage_key_[0-9]+$' order by 1"
            )
            return [row["relname"] for row in found]

        for days, known, fresh in [
            (0, [1], 1),
            (9.9, [1], 0),
            (10.1, [1, 2], 0),
            (19.9, [1, 2], 0),
            (20.2, [2, 3], 1),
        ]:
            scenario.clock.set(START + timedelta(days=days, hours=1))
            before = (await scenario.account()).get(("counted", ""), 0)
            await scenario.publish(call("u1", days * 1440), call(f"at {days}", days * 1440))
            assert await tables() == [f"usage_key_{no}" for no in known]
            assert (await scenario.account())[("counted", "")] - before == 1 + fresh
            await scenario.publish(call(f"alone at {days}", days * 1440))
        assert await scenario.differences(*NOVEMBER) == []
