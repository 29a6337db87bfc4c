"""What meters come to, by month, by day and by hour, against an oracle."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from schemas.catalogue import Meter
from schemas.envelope import Event
from schemas.scalars import plain
from services.billing.domain.periods import midnight
from services.billing.metering.arrivals import read
from tests.integration.billing.metering import call, meter, offer, scenario, total
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

__all__ = ["scenario"]


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
