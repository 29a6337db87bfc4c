"""Each instant is counted by the definition in force then."""

from datetime import timedelta

from services.billing.metering.tools import rebuilt
from tests.integration.billing.metering import NOVEMBER, call, meter, offer, scenario, total
from tests.integration.billing.scenario import (
    START,
    TENANT,
    Scenario,
    catalogue,
    used,
)

__all__ = ["scenario"]


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
