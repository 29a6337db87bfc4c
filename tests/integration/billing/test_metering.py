"""Every event is metered once, in its hour and by its definition, and comes to the same when it is added up anew."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from schemas.catalogue import Meter
from schemas.envelope import Event
from schemas.scalars import plain
from services.billing import app
from services.billing.domain.periods import midnight
from services.billing.metering.arrivals import read
from services.billing.metering.checks import RawGone
from services.billing.metering.keys import as_bigint
from services.billing.metering.tools import rebuilt
from services.billing.usecases import check_meters
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
from tests.support.catalogue import ROME
from tests.support.databases import fresh_database
from tests.support.oracles import quantity_of, read_by

NOVEMBER = (date(2026, 11, 1), date(2026, 12, 1))
OTHER_TENANT = "44444444-4444-4444-4444-444444444444"


def meter(key: str, aggregation: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key, "aggregation": aggregation, "unit": "n", **more}


def offer(*meters: dict[str, Any], also: str = "extra") -> dict[str, Any]:
    """A catalogue with some meters, and one plan that prices them and one more."""
    keys = [*(found["key"] for found in meters), also]
    prices = [
        {"meter": key, "code": key, "label": key, "unit": "n", "price": "0.01"} for key in keys
    ]
    plan = {
        "sku": "X", "name": "X", "setup": "0", "recurring": [], "usage": prices, "provisioning": [{"driver": "http"}],
    }  # fmt: skip
    return {
        "valid_from": "2026-01-01T00:00:00Z",
        "currency": "EUR",
        "meters": meters,
        "plans": [plan],
    }


CALLS = meter("calls", "sum")
DOCUMENTS = meter("documents", "unique_count")
LEVEL = meter("level", "time_weighted", decimals=6)


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """Three meters, and a service that began with November; it is ten o'clock on the first of the month."""
    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=10)
    ) as found:
        await found.publish(catalogue(offer(CALLS, DOCUMENTS, LEVEL)))
        await found.publish(activated(ERP, "X"))
        yield found


def call(event_id: str, minutes: float = 1, **more: Any) -> Event[Any]:
    return used(
        event_id, START + timedelta(minutes=minutes), **{"meter": "calls", "quantity": "1", **more}
    )


async def counted(scenario: Scenario, key: str = "calls") -> int:
    """How many events there are in a meter's buckets."""
    found = await scenario.service.sql(
        "select coalesce(sum(n), 0)::int as n from meter_bucket join series on no = series_no where meter = $1",
        key,
    )
    return int(found[0]["n"])


async def total(
    scenario: Scenario, key: str = "calls", first: str = "2026-11-01", after: str = "2026-12-01"
) -> str:
    """What the API says of a meter."""
    found = await scenario.get(
        f"/v1/tenants/{TENANT}/usage", **{"from": first, "to": after, "meter": key}
    )
    return str(found[0]["quantity"])


# -- once --------------------------------------------------------------------------------------------------------------


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


# -- later -------------------------------------------------------------------------------------------------------------


async def test_what_a_door_let_in_under_a_newer_catalogue_waits_for_it(scenario: Scenario) -> None:
    early = [used(f"u{n}", START, meter="extra", quantity="2", revision=2) for n in range(3)]
    await scenario.publish(
        *early, early[0], used("u1", START, meter="extra", quantity="9", revision=2)
    )
    assert await scenario.account() == {
        ("parked", ""): 3,
        ("duplicate", ""): 1,
        ("rejected", "id_reuse"): 1,
    }
    [waiting] = await scenario.get("/v1/usage/parked")
    assert (waiting["waits_for"], waiting["n"]) == ("catalogue", 3)
    await scenario.publish(used("u9", START, meter="extra", quantity="2", revision=1))
    assert (await scenario.account())[("rejected", "unknown_meter")] == 1
    await scenario.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
    await scenario.publish(early[1])
    assert await scenario.account() == {
        ("counted", ""): 3, ("duplicate", ""): 2, ("rejected", "id_reuse"): 1, ("rejected", "unknown_meter"): 1,
    }  # fmt: skip
    assert (await total(scenario, "extra"), await scenario.get("/v1/usage/parked")) == ("6", [])


async def test_what_is_set_aside_while_its_catalogue_comes_is_not_forgotten(
    scenario: Scenario,
) -> None:
    async with scenario.service.runtime.pool.acquire() as db, db.transaction():
        await db.execute("lock table parked_usage in share mode")
        await scenario.service.publish(used("u1", START, meter="extra", quantity="2", revision=2))
        await scenario.waiting_for_a_lock(1)
        await scenario.service.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
        await scenario.waiting_for_a_lock(2)
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 1}


async def test_what_is_looked_at_again_while_its_catalogue_comes_gets_into_nobodys_way(
    scenario: Scenario,
) -> None:
    def tried_again() -> list[float | None]:
        job = {"kind": "count_waiting", "outcome": "retried"}
        return [REGISTRY.get_sample_value("vicino_jobs_total", job)] + [
            REGISTRY.get_sample_value(
                "vicino_engine_slice_retries_total", {"topic": "catalogue.v1", "error": error}
            )
            for error in ("DeadlockDetectedError", "SerializationError")
        ]

    before = tried_again()
    await scenario.publish(used("u1", START, meter="extra", quantity="2", revision=3))
    async with scenario.service.runtime.pool.acquire() as db, db.transaction():
        await db.execute("lock table parked_usage in share mode")
        await scenario.service.publish(catalogue(offer(CALLS), revision=2))
        await scenario.waiting_for_a_lock(1)
        await scenario.service.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=3))
        await scenario.waiting_for_a_lock(2)
    await scenario.service.settled()
    assert (await scenario.account(), tried_again()) == ({("counted", ""): 1}, before)


async def test_what_waits_for_its_service_is_judged_like_any_other_and_kept_where_it_came_from(
    scenario: Scenario,
) -> None:
    def other(event_id: str, at: datetime = START, **data: Any) -> bytes:
        return used(
            event_id, at, service_id=MAIL, tenant=OTHER_TENANT, meter="calls", **data
        ).encode()

    await scenario.slice(
        other("u1", quantity="1"), other("u1", quantity="1"), other("u1", quantity="2"), part=1
    )
    await scenario.slice(other("u2", quantity="1"), part=2)
    await scenario.service.settled()
    await scenario.slice(other("u1", quantity="1"), other("u2", quantity="7"), part=3)
    await scenario.slice(
        other("u3", value="x"), other("u4", START - timedelta(days=1), quantity="1"), part=3
    )
    await scenario.service.settled()
    assert await scenario.account() == {
        ("parked", ""): 4,
        ("duplicate", ""): 2,
        ("rejected", "id_reuse"): 2,
    }
    await scenario.publish(activated(MAIL, "X", tenant=OTHER_TENANT))
    assert await scenario.account() == {
        ("counted", ""): 2, ("duplicate", ""): 2, ("rejected", "id_reuse"): 2, ("rejected", "wrong_value"): 1,
        ("rejected", "before_activation"): 1,
    }  # fmt: skip
    kept = await scenario.service.sql(
        'select part, "offset", raw from reject where reason <> $1 order by id', "id_reuse"
    )
    assert [tuple(row) for row in kept] == [
        (3, 2, other("u3", value="x")), (3, 3, other("u4", START - timedelta(days=1), quantity="1")),
    ]  # fmt: skip
    await scenario.slice(other("u2", quantity="1"), other("u1", quantity="5"))
    await scenario.service.settled()
    assert (await scenario.account())[("duplicate", "")] == 3
    assert (await scenario.account())[("rejected", "id_reuse")] == 3
    assert await scenario.differences(*NOVEMBER) == []


async def test_rejects_are_sent_again_once_by_id_or_by_reason_and_count_after_repair(
    scenario: Scenario,
) -> None:
    await scenario.publish(
        *(used(f"u{n}", START, meter="extra", quantity="2") for n in range(4)),
        call("b1", tenant=OTHER_TENANT),
    )
    assert await scenario.account() == {
        ("rejected", "unknown_meter"): 4,
        ("rejected", "wrong_tenant"): 1,
    }
    await scenario.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
    first, *_ = [
        row["id"] for row in await scenario.service.sql("select id from reject order by id")
    ]
    assert await scenario.replay([first], None) == 1
    assert (await scenario.account())[("counted", "")] == 1
    assert await scenario.replay([first], "unknown_meter") == 3
    assert await scenario.replay([first], "unknown_meter") == 0
    assert await scenario.account() == {
        ("rejected", "unknown_meter"): 4, ("rejected", "wrong_tenant"): 1, ("counted", ""): 4,
    }  # fmt: skip
    left = await scenario.service.sql("select reason from reject where replayed_at is null")
    assert ([row["reason"] for row in left], await total(scenario, "extra")) == (
        ["wrong_tenant"],
        "8",
    )


# -- how much ----------------------------------------------------------------------------------------------------------

ALL = [
    meter("n_calls", "count", event="call"),
    meter("minutes", "sum", event="call"),
    meter("minutes_eu", "sum", event="call", filter={"region": ["it", "fr"]}),
    meter("longest", "max", event="call", group_by=["region"]),
    meter("shortest", "min", event="call", filter={"kind": ["voice", "fax"]}),
    meter("last", "latest", event="call", group_by=["kind"]),
    meter(
        "callers", "unique_count", event="call", value_property="user", group_by=["region", "kind"]
    ),
    meter("pages", "sum", event="call", value_property="pages", filter={"kind": ["fax"]}),
    meter("stored", "time_weighted", decimals=6, group_by=["volume"]),
    meter("papers", "unique_count"),
]
METERS = {found["key"]: Meter.model_validate(found) for found in ALL}
OCTOBER = {"from": "2026-10-01", "to": "2026-11-01"}
CHANGE = midnight(date(2026, 10, 25), ROME)
"""The day on which the hour from two to three comes twice."""


def october() -> list[Event[Any]]:
    """A month of usage of two services, most of it around the change of clocks."""
    dice = random.Random(25)
    month, edges = (
        midnight(date(2026, 10, 1), ROME),
        [CHANGE + timedelta(hours=n) for n in (0, 1, 2, 3, 4, 25)],
    )
    at = [month + timedelta(seconds=dice.randrange(31 * 86_400)) for _ in range(150)]
    at += [CHANGE + timedelta(seconds=dice.randrange(-6 * 3600, 30 * 3600)) for _ in range(150)]
    at += [edge + timedelta(microseconds=n) for edge in edges for n in (-1, 0, 0)]
    found = []
    for n, instant in enumerate(at):
        service = dice.choice([ERP, ERP, MAIL])
        kind, user = dice.choice(["voice", "fax", "data"]), f"user-{dice.randrange(9)}"
        dimensions = {"kind": kind, "user": user, "pages": str(dice.randrange(9))}
        if kind != "voice":
            dimensions["region"] = dice.choice(["it", "fr", "us"])
        quantity = f"{dice.randrange(1, 900)}.{dice.randrange(100):02}"
        found.append(
            used(f"c{n}", instant, service, "call", quantity=quantity, dimensions=dimensions)
        )
        if n % 3 == 0:
            level, volume = str(dice.randrange(500)), {"volume": dice.choice("ab")}
            found.append(
                used(f"l{n}", instant, service, "stored", quantity=level, dimensions=volume)
            )
        if n % 4 == 0:
            found.append(
                used(f"p{n}", instant, service, "papers", value=f"paper-{dice.randrange(40)}")
            )
    return found


def in_no_order(events: list[Event[Any]]) -> list[Event[Any]]:
    """As they are sent."""
    return random.Random(1).sample(events, len(events))


@pytest.fixture(scope="module")
async def autumn(superuser_url: str, bootstrap: str) -> AsyncIterator[Scenario]:
    """The end of October; `october()` has been sent, in no order, some of it twice. Only to be looked at."""
    now, since = datetime(2026, 10, 31, 23, 30, tzinfo=UTC), datetime(2026, 9, 28, tzinfo=UTC)
    prefix = f"t{uuid4().hex[:8]}."
    async with (
        fresh_database(superuser_url) as database,
        open_scenario(database, bootstrap, prefix, at=now) as scenario,
    ):
        await scenario.publish(catalogue(offer(*ALL)))
        await scenario.publish(
            activated(ERP, "X", at=since), activated(MAIL, "X", item=1, at=since)
        )
        events = october()
        await scenario.publish(*in_no_order(events), *events[::5])
        assert (await scenario.account())[("counted", "")] == len(events)
        yield scenario


async def test_quantities_of_every_meter_are_what_its_events_come_to_by_month_by_day_and_by_hour(
    autumn: Scenario,
) -> None:
    arrivals = [read(event.encode(), n) for n, event in enumerate(in_no_order(october()))]

    async def asked(n: int, **params: Any) -> None:
        found = await autumn.get(f"/v1/tenants/{TENANT}/usage", **params)
        assert len(found) == n
        for row in found:
            ours = [
                arrival for arrival in arrivals if arrival.said.service_id == row["service_id"]
                and all(arrival.said.dimensions.get(name, "") == text for name, text in row["dimensions"].items())
            ]  # fmt: skip
            start, end = datetime.fromisoformat(row["from"]), datetime.fromisoformat(row["to"])
            assert row["quantity"] == plain(quantity_of(METERS[row["meter"]], ours, start, end)), (
                row
            )

    await asked(20, **OCTOBER)
    await asked(20 * 31, **OCTOBER, by="day")
    await asked(20 * 25, **{"from": "2026-10-25", "to": "2026-10-26"}, by="hour")
    await asked(2 * 745, **OCTOBER, by="hour", meter="n_calls")
    await asked(2 * 4, **OCTOBER, meter="longest", group_by="region")
    await asked(2 * 7, **OCTOBER, meter="callers", group_by=["kind", "region"])
    await asked(2 * 3, **OCTOBER, meter="callers", group_by="kind")
    await asked(2 * 2 * 31, **OCTOBER, meter="stored", group_by="volume", by="day")
    assert await autumn.differences(date(2026, 10, 1), date(2026, 11, 1)) == []


async def test_the_day_of_the_clock_change_has_25_hours_and_its_month_745(autumn: Scenario) -> None:
    days = await autumn.get(f"/v1/tenants/{TENANT}/usage", **OCTOBER, by="day", meter="minutes")
    hours = await autumn.get(f"/v1/tenants/{TENANT}/usage", **OCTOBER, by="hour", meter="minutes")
    lengths = [
        datetime.fromisoformat(row["to"]) - datetime.fromisoformat(row["from"]) for row in days[:31]
    ]
    assert [length // timedelta(hours=1) for length in lengths] == [24] * 24 + [25] + [24] * 6
    assert (len(days), len(hours)) == (2 * 31, 2 * 745)
    assert sum(Decimal(row["quantity"]) for row in days) == sum(
        Decimal(row["quantity"]) for row in hours
    )
    local = [datetime.fromisoformat(row["from"]).astimezone(ROME) for row in hours[:745]]
    assert [f"{hour:%d %H}" for hour in local].count("25 02") == 2


async def test_a_bucket_is_taken_apart_into_its_events(autumn: Scenario) -> None:
    events = {event.id: event for event in october()}
    day = {"from": "2026-10-25", "to": "2026-10-26", "by": "hour", "meter": "minutes_eu"}
    rows = await autumn.get(f"/v1/tenants/{TENANT}/usage", **day)
    for start in sorted({row["from"] for row in rows}):
        behind = await autumn.get(
            f"/v1/tenants/{TENANT}/usage/events", hour=start, meter="minutes_eu"
        )
        for service_id in (ERP, MAIL):
            [row] = [row for row in rows if (row["service_id"], row["from"]) == (service_id, start)]
            own = [
                Decimal(found["data"]["quantity"])
                for found in behind
                if found["data"]["service_id"] == service_id
            ]
            assert Decimal(row["quantity"]) == sum(own)
        hour = datetime.fromisoformat(start)
        within = [
            read(event.encode(), 0)
            for event in events.values()
            if hour <= event.time < hour + timedelta(hours=1)
        ]
        assert {found["id"] for found in behind} == {
            event.id for event in events.values() if read(event.encode(), 0) in read_by(METERS["minutes_eu"], within)
        }  # fmt: skip
        whole = await autumn.get(f"/v1/tenants/{TENANT}/usage/events", hour=start)
        assert sorted(found["id"] for found in whole) == sorted(
            event.id for event in events.values() if hour <= event.time < hour + timedelta(hours=1)
        )


async def test_a_sum_of_the_largest_quantities_keeps_every_digit(scenario: Scenario) -> None:
    await scenario.publish(
        call("u1", quantity="9" * 26 + ".999999999999"), call("u2", quantity="0.000000000002")
    )
    assert await total(scenario) == "1" + "0" * 26 + ".000000000001"


async def test_what_is_no_number_is_refused_where_a_number_is_measured(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(offer(meter("calls", "sum", value_property="value"))))
        await scenario.publish(activated(ERP, "X"))
        texts = ["7", "2.5", "seven", "NaN", "Infinity", "1e400", "-1"]
        await scenario.publish(
            *(used(f"u{n}", START, meter="calls", value=text) for n, text in enumerate(texts))
        )
        assert await scenario.account() == {("counted", ""): 2, ("rejected", "wrong_value"): 5}
        assert await total(scenario) == "9.5"


QUESTIONS = [
    ("usage", {"from": "2026-11-02", "to": "2026-11-02"}, 422), ("usage", {"from": "2026-11-02", "to": "2026-11-01"}, 422),
    ("usage", {"from": "2026-11-01", "to": "2027-11-01", "by": "hour"}, 422), ("usage", {"from": "2026-11-01"}, 422),
    ("usage", {"from": "2026-11-01", "to": "2026-11-02", "by": "minute"}, 422),
    ("usage/events", {"hour": "2026-11-01T00:00:00"}, 422), ("usage/events", {"hour": "2026-11-01T00:00:00Z", "meter": "x"}, 404),
]  # fmt: skip


async def test_a_question_that_makes_no_sense_is_told_so(scenario: Scenario) -> None:
    await scenario.publish(call("u1"), used("u2", START, meter="level", quantity="1"))
    for path, params, status in QUESTIONS:
        assert (await scenario.get(f"/v1/tenants/{TENANT}/{path}", **params))[0] == status, params
    assert (
        await scenario.get(f"/v1/tenants/{ERP}/usage", **{"from": "2026-11-01", "to": "2026-11-02"})
    )[0] == 404


async def test_the_api_shows_what_became_of_usage_and_what_came_too_late(
    scenario: Scenario,
) -> None:
    await scenario.service.sql("update tenant set closed_until = $1", START + timedelta(hours=1))
    await scenario.publish(
        call("u1", quantity="1.50"),
        call("u2", 59),
        call("u3", 60),
        call("u3", 60),
        call("u4", meter="none"),
    )
    await scenario.publish(call("w1", service_id=MAIL))
    summary = {"counted": 3, "duplicates": 1, "parked": 1, "rejected": {"unknown_meter": 1}}
    assert await scenario.get("/v1/usage/summary") == summary
    [late] = await scenario.get(f"/v1/tenants/{TENANT}/usage/late")
    assert (late["service_id"], late["meter"], late["month"]) == (ERP, "calls", "2026-11-01")
    assert (late["n"], late["total"]) == (2, "2.50")
    [reject] = await scenario.get("/v1/rejects", reason="unknown_meter")
    assert (reject["topic"], reject["tenant_id"], reject["replayed_at"]) == (
        "usage.v1",
        TENANT,
        None,
    )
    assert "raw" not in reject


# -- other definitions -------------------------------------------------------------------------------------------------


async def test_another_definition_counts_from_its_date_and_not_before(scenario: Scenario) -> None:
    change = START + timedelta(days=2, minutes=7)
    eu = meter("calls", "sum", filter={"region": ["eu"]}, group_by=["tier"])
    await scenario.publish(catalogue({**offer(eu), "valid_from": change}, revision=2))
    scenario.clock.set(START + timedelta(days=4))
    second = timedelta(seconds=1)
    at = [START, change - second, change, change + second, change + timedelta(days=1)]
    events = [
        used(f"{region}{n}", instant, meter="calls", quantity=str(10**n), dimensions={"region": region, "tier": "gold"})
        for n, instant in enumerate(at) for region in ("eu", "us")
    ]  # fmt: skip
    await scenario.publish(*events)
    assert (await scenario.account())[("counted", "")] == 10
    assert await total(scenario) == str(2 * 1 + 2 * 10 + 100 + 1000 + 10000)
    found = await scenario.service.sql(
        "select version, dimensions, sum(n)::int as n from meter_bucket join series on no = series_no group by 1, 2 order by 1"
    )
    assert [tuple(row) for row in found] == [(1, {}, 4), (2, {"tier": "gold"}, 3)]
    assert await scenario.differences(*NOVEMBER) == []
    assert [(row["key"], row["version"]) for row in await scenario.get("/v1/meters") if row["key"] == "calls"] == [
        ("calls", 1), ("calls", 2),
    ]  # fmt: skip


async def test_a_definition_that_aggregates_otherwise_from_within_an_hour_loses_nothing(
    scenario: Scenario,
) -> None:
    change = START + timedelta(hours=20, minutes=20)
    await scenario.publish(
        catalogue({**offer(meter("calls", "count")), "valid_from": change}, revision=2)
    )
    scenario.clock.set(START + timedelta(days=1))
    await scenario.publish(*(call(f"u{n}", 20 * 60 + n * 10, quantity="100") for n in range(6)))
    assert await total(scenario) == "204"
    hours = await scenario.get(
        f"/v1/tenants/{TENANT}/usage",
        **{"from": "2026-11-01", "to": "2026-11-02"},
        by="hour",
        meter="calls",
    )
    assert hours[20]["quantity"] == "204"


async def test_what_came_a_little_early_keeps_the_definition_it_was_counted_by(
    scenario: Scenario,
) -> None:
    await scenario.publish(call("u1", 10 * 60 + 4))
    await scenario.publish(catalogue(offer(meter("calls", "count")), revision=2))
    assert (await scenario.account(), await scenario.differences(*NOVEMBER)) == (
        {("counted", ""): 1},
        [],
    )


async def test_a_definition_dated_back_leaves_what_it_cannot_measure_to_the_others(
    scenario: Scenario,
) -> None:
    both = [meter("calls", "sum"), meter("extra", "sum", event="calls")]
    await scenario.publish(catalogue(offer(*both), revision=2))
    await scenario.publish(call("u1"), call("u2", dimensions={"pages": "7"}))
    both[1]["value_property"] = "pages"
    await scenario.publish(catalogue(offer(*both), revision=3))
    assert [name async for name in rebuilt(scenario.url, *NOVEMBER, "extra", None, 2)] == [
        (TENANT, 1)
    ]
    assert await scenario.differences(*NOVEMBER) == []
    assert (await total(scenario), await total(scenario, "extra")) == ("2", "7")


# -- again -------------------------------------------------------------------------------------------------------------


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


# -- by hand -----------------------------------------------------------------------------------------------------------


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
