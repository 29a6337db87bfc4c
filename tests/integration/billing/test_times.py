"""What a door let in counts, however late it is looked at; what was counted is a duplicate, whatever its time."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.horizon import EARLY_MAX, LATE_MAX
from tests.integration.billing.metering import CALLS, call, meter, offer
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    Scenario,
    activated,
    catalogue,
    open_scenario,
    used,
)

ROOT = Path(__file__).parents[3]
LONG_AGO = START - timedelta(days=300)
DOCUMENTS = meter("documents", "unique_count")


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(offer(CALLS, DOCUMENTS)))
        await found.publish(activated(ERP, "X", at=LONG_AGO))
        yield found


def test_doors_and_counting_ask_one_authority() -> None:
    authority = ROOT / "schemas/horizon.py"
    said = re.compile(r"(EARLY|LATE|SKEW|LAG)_MAX\s*=\s*timedelta|timedelta\(days=35\)")
    places = [path for room in ("schemas", "services") for path in (ROOT / room).rglob("*.py")]
    assert [path for path in places if said.search(path.read_text(encoding="utf-8"))] == [authority]


@pytest.mark.parametrize("lag", [timedelta(0), timedelta(hours=3), timedelta(days=34)], ids=str)
async def test_what_a_door_let_in_at_its_last_second_counts_after_any_lag(
    scenario: Scenario, lag: timedelta
) -> None:
    at_the_door = scenario.clock.now()
    scenario.clock.advance(lag)
    await scenario.publish(
        used("u1", at_the_door - LATE_MAX + timedelta(seconds=1), meter="calls", quantity="1")
    )
    assert await scenario.account() == {("counted", ""): 1}


@pytest.mark.parametrize(
    "skew", [timedelta(0), timedelta(seconds=1), timedelta(minutes=59)], ids=str
)
async def test_what_a_door_let_in_whose_clock_is_ahead_counts(
    scenario: Scenario, skew: timedelta
) -> None:
    await scenario.publish(
        used("u1", scenario.clock.now() + EARLY_MAX + skew, meter="calls", quantity="1")
    )
    assert await scenario.account() == {("counted", ""): 1}


async def test_what_waited_for_its_service_is_as_late_as_it_was_when_it_came(
    scenario: Scenario,
) -> None:
    at = scenario.clock.now() - LATE_MAX + timedelta(seconds=1)
    await scenario.publish(used("u1", at, service_id=MAIL, meter="calls", quantity="1"))
    scenario.clock.advance(timedelta(days=89))
    await scenario.publish(activated(MAIL, "X", at=LONG_AGO))
    assert await scenario.account() == {("counted", ""): 1}


@pytest.mark.parametrize(
    "reminded", [False, True], ids=["expecting new ones", "expecting known ones"]
)
@pytest.mark.parametrize("restarted", [False, True], ids=["one process", "another process"])
async def test_a_repetition_is_a_duplicate_whatever_its_time_and_whoever_remembers(
    database: str, bootstrap: str, topic_prefix: str, reminded: bool, restarted: bool
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(offer(CALLS)))
        await scenario.publish(activated(ERP, "X", at=LONG_AGO))
        old = used("old", scenario.clock.now() - LATE_MAX, meter="calls", quantity="1")
        await scenario.publish(old, call("u0"), call("u0") if reminded else call("u1"))
        if not restarted:
            await _replay(scenario, old, reminded)
    if restarted:
        async with open_scenario(database, bootstrap, topic_prefix) as scenario:
            await _replay(scenario, old, reminded)


async def _replay(scenario: Scenario, old: object, reminded: bool) -> None:
    scenario.clock.advance(timedelta(days=85))
    before = await scenario.account()
    if reminded:
        await scenario.publish(call("u0"))
    await scenario.publish(old)  # type: ignore[arg-type]
    await scenario.publish(used("new", START - LATE_MAX, meter="calls", quantity="1"))
    after = await scenario.account()
    assert after[("duplicate", "")] - before.get(("duplicate", ""), 0) == 1 + reminded
    assert after[("rejected", "time_too_old")] == 1
    assert after[("counted", "")] == before[("counted", "")]


async def test_a_counted_id_with_other_content_is_told_as_that_before_anything_else(
    scenario: Scenario,
) -> None:
    await scenario.publish(call("u1"), call("u2"))
    await scenario.publish(used("u1", START, meter="calls", value="no quantity"))
    await scenario.publish(used("u2", START, meter="unheard", quantity="1"))
    assert await scenario.account() == {("counted", ""): 2, ("rejected", "id_reuse"): 2}


async def test_a_definition_begins_after_what_another_clock_let_us_count(
    scenario: Scenario,
) -> None:
    ahead = scenario.clock.now() + timedelta(minutes=50)
    await scenario.publish(used("u1", ahead, meter="calls", quantity="1"))
    await scenario.publish(catalogue(offer(meter("calls", "max")), revision=2))
    [version] = await scenario.service.sql(
        "select valid_from from meter_version where key = 'calls' and version = 2"
    )
    assert ahead < version["valid_from"] <= ahead + timedelta(minutes=15)
