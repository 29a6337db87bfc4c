"""What a door let in counts, however late it is looked at; what was counted is a duplicate, whatever its time."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.horizon import EARLY_MAX, LATE_MAX
from tests.integration.billing.desk import ERP, MAIL, START, Desk, activated, catalogue, open_desk, used
from tests.integration.billing.test_metering import CALLS, call, meter, offer

ROOT = Path(__file__).parents[3]
LONG_AGO = START - timedelta(days=300)
DOCUMENTS = meter("documents", "unique_count")


@pytest.fixture
async def desk(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Desk]:
    async with open_desk(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(offer(CALLS, DOCUMENTS)))
        await found.publish(activated(ERP, "X", at=LONG_AGO))
        yield found


def test_doors_and_counting_ask_one_authority() -> None:
    authority = ROOT / "schemas/horizon.py"
    said = re.compile(r"(EARLY|LATE|SKEW|LAG)_MAX\s*=\s*timedelta|timedelta\(days=35\)")
    places = [path for room in ("schemas", "services") for path in (ROOT / room).rglob("*.py")]
    assert [path for path in places if said.search(path.read_text(encoding="utf-8"))] == [authority]


@pytest.mark.parametrize("lag", [timedelta(0), timedelta(hours=3), timedelta(days=34)], ids=str)
async def test_what_a_door_let_in_at_its_last_second_counts_after_any_lag(desk: Desk, lag: timedelta) -> None:
    at_the_door = desk.clock.now()
    desk.clock.advance(lag)
    await desk.publish(used("u1", at_the_door - LATE_MAX + timedelta(seconds=1), meter="calls", quantity="1"))
    assert await desk.account() == {("counted", ""): 1}


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(seconds=1), timedelta(minutes=59)], ids=str)
async def test_what_a_door_let_in_whose_clock_is_ahead_counts(desk: Desk, skew: timedelta) -> None:
    await desk.publish(used("u1", desk.clock.now() + EARLY_MAX + skew, meter="calls", quantity="1"))
    assert await desk.account() == {("counted", ""): 1}


async def test_what_waited_for_its_service_is_as_late_as_it_was_when_it_came(desk: Desk) -> None:
    at = desk.clock.now() - LATE_MAX + timedelta(seconds=1)
    await desk.publish(used("u1", at, service_id=MAIL, meter="calls", quantity="1"))
    desk.clock.advance(timedelta(days=89))
    await desk.publish(activated(MAIL, "X", at=LONG_AGO))
    assert await desk.account() == {("counted", ""): 1}


@pytest.mark.parametrize("reminded", [False, True], ids=["expecting new ones", "expecting known ones"])
@pytest.mark.parametrize("restarted", [False, True], ids=["one process", "another process"])
async def test_a_repetition_is_a_duplicate_whatever_its_time_and_whoever_remembers(
    database: str, bootstrap: str, topic_prefix: str, reminded: bool, restarted: bool
) -> None:
    async with open_desk(database, bootstrap, topic_prefix) as desk:
        await desk.publish(catalogue(offer(CALLS)))
        await desk.publish(activated(ERP, "X", at=LONG_AGO))
        old = used("old", desk.clock.now() - LATE_MAX, meter="calls", quantity="1")
        await desk.publish(old, call("u0"), call("u0") if reminded else call("u1"))
        if not restarted:
            await _replay(desk, old, reminded)
    if restarted:
        async with open_desk(database, bootstrap, topic_prefix) as desk:
            await _replay(desk, old, reminded)


async def _replay(desk: Desk, old: object, reminded: bool) -> None:
    desk.clock.advance(timedelta(days=85))
    before = await desk.account()
    if reminded:
        await desk.publish(call("u0"))
    await desk.publish(old)  # type: ignore[arg-type]
    await desk.publish(used("new", START - LATE_MAX, meter="calls", quantity="1"))
    after = await desk.account()
    assert after[("duplicate", "")] - before.get(("duplicate", ""), 0) == 1 + reminded
    assert after[("rejected", "too_late")] == 1
    assert after[("counted", "")] == before[("counted", "")]


async def test_a_counted_id_with_other_content_is_told_as_that_before_anything_else(desk: Desk) -> None:
    await desk.publish(call("u1"), call("u2"))
    await desk.publish(used("u1", START, meter="calls", value="no quantity"))
    await desk.publish(used("u2", START, meter="unheard", quantity="1"))
    assert await desk.account() == {("counted", ""): 2, ("rejected", "id_reuse"): 2}


async def test_a_definition_begins_after_what_another_clock_let_us_count(desk: Desk) -> None:
    ahead = desk.clock.now() + timedelta(minutes=50)
    await desk.publish(used("u1", ahead, meter="calls", quantity="1"))
    await desk.publish(catalogue(offer(meter("calls", "max")), revision=2))
    [version] = await desk.service.sql("select valid_from from meter_version where key = 'calls' and version = 2")
    assert ahead < version["valid_from"] <= ahead + timedelta(minutes=15)
