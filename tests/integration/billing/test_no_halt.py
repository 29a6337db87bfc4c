"""Nothing that a door lets in, and nothing that a catalogue brings, halts the counting of usage."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.envelope import Event
from schemas.topics import USAGE
from services.billing.metering.arrivals import read
from tests.integration.billing.metering import NOVEMBER, counted, meter, offer, total
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

GROUPED = [f"{n}{'d' * 98}" for n in range(8)]
"""Eight dimensions with the longest names."""

ALL = meter("calls", "sum", group_by=GROUPED)
LEVELS = meter("levels", "time_weighted", group_by=GROUPED, event="calls")
SCRIPTS: dict[str, tuple[int, int]] = {
    "ASCII": (0x21, 0x7E),
    "Greek": (0x391, 0x3A1),
    "Arabic, from right to left": (0x620, 0x64A),
    "Devanagari": (0x904, 0x939),
    "CJK": (0x4E00, 0x9FFF),
    "Hangul": (0xAC00, 0xD7A3),
    "combining marks": (0x300, 0x36F),
    "emoji": (0x1F300, 0x1F64F),
    "CJK beyond the first plane": (0x20000, 0x2A6DF),
    "private use": (0xE000, 0xF8FF),
    "control characters": (0x1, 0x1F),
}


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=10)
    ) as found:
        await found.publish(
            catalogue(offer(ALL, LEVELS, meter("documents", "unique_count", group_by=GROUPED)))
        )
        await found.publish(activated(ERP, "X"))
        yield found


def text(script: str, length: int, dice: random.Random) -> str:
    """Text that does not compress."""
    return "".join(chr(dice.randint(*SCRIPTS[script])) for _ in range(length))


def good(event_id: str, **more: Any) -> Event[Any]:
    return used(
        event_id, START + timedelta(minutes=1), **{"meter": "calls", "quantity": "1", **more}
    )


def largest(script: str, dice: random.Random) -> list[bytes]:
    """Events of which every field is as large as may be."""
    event = good(
        "x" + text(script, 254, dice),
        quantity="9" * 26 + "." + "9" * 12,
        dimensions={name: text(script, 200, dice) for name in GROUPED},
    )
    document = used(
        text(script, 255, dice), START, meter="documents", value=text(script, 200, dice),
        dimensions={name: text(script, 200, dice) for name in GROUPED},
    )  # fmt: skip
    source = text(script, 255, dice)
    return [Event(**{**_fields(one), "source": source}).encode() for one in (event, document)]


def _fields(event: Event[Any]) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__dataclass_fields__}


@pytest.mark.parametrize("script", SCRIPTS)
async def test_an_event_with_every_field_at_its_largest_counts_in_every_script(
    scenario: Scenario, script: str
) -> None:
    dice = random.Random(script)
    for n in range(3):
        raws = [good(f"before {n}").encode(), *largest(script, dice), good(f"after {n}").encode()]
        await scenario.service.send(*((USAGE, b"any", raw) for raw in raws))
        await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 12}
    assert (await counted(scenario), await counted(scenario, "documents")) == (9, 3)
    assert await total(scenario, "documents") == "3"
    assert await scenario.differences(*NOVEMBER) == []


STEPS = {
    "its key is taken": ("usage_key_1", "new.event_key = '{key}'"),
    "its series is made": ("series", "new.dimensions::text like '%worst%'"),
    "its bucket is added to": ("meter_bucket", "new.total >= 1000 or new.high >= 1000"),
    "its level is written": ("meter_level", "new.level >= 1000"),
    "its outcome is noted": (
        "usage_tally",
        "new.outcome = 'rejected' and new.reason = 'wrong_tenant'",
    ),
    "it is parked": ("parked_usage", "new.waits_for = '{other}'"),
}
"""Where a failure may be planted: a table, and the row that it refuses."""


@pytest.mark.parametrize("position", [0, 3, 6], ids=["first", "middle", "last"])
@pytest.mark.parametrize("step", STEPS)
async def test_an_event_that_fails_at_any_step_is_kept_and_its_neighbours_count_once(
    scenario: Scenario, step: str, position: int
) -> None:
    bad = {
        "its series is made": good("bad", dimensions={GROUPED[0]: "worst"}),
        "its outcome is noted": used(
            "bad", START, meter="calls", quantity="1", tenant=str(UUID(int=5))
        ),
        "it is parked": good("bad", service_id=MAIL),
    }.get(step, good("bad", quantity="1000"))
    await scenario.publish(good("first of all", dimensions={GROUPED[0]: "best"}))
    table, row = STEPS[step]
    key = UUID(bytes=read(bad.encode(), 0).key)
    await scenario.service.sql(
        "create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"
    )
    when = row.format(key=key, other=MAIL)
    await scenario.service.sql(
        f"create trigger planted before insert on {table} for each row when ({when}) execute function planted()"
    )
    events = [good(f"u{n}", dimensions={GROUPED[0]: "best"}) for n in range(6)]
    events.insert(position, bad)
    await scenario.slice(*(event.encode() for event in events))
    await scenario.service.settled()
    kept = await scenario.service.sql('select "offset", reason, raw from reject')
    assert [(row["reason"], row["raw"]) for row in kept] == [("handler_failed", bad.encode())]
    assert (await scenario.account())[("counted", "")] == 7
    assert (await counted(scenario), await total(scenario)) == (7, "7")
    await scenario.slice(*(event.encode() for event in events if event is not bad))
    await scenario.service.settled()
    assert (await scenario.account())[("duplicate", "")] == 6


async def test_one_event_of_many_that_wait_for_a_service_holds_up_no_other(
    scenario: Scenario,
) -> None:
    await scenario.service.sql(
        "create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"
    )
    await scenario.service.sql(
        "create trigger planted before insert on meter_level for each row when (new.level >= 1000) "
        "execute function planted()"
    )
    waiting = [good(f"u{n}", service_id=MAIL, quantity="1000" if n == 4 else "1") for n in range(9)]
    await scenario.publish(*waiting)
    assert await scenario.account() == {("parked", ""): 9}
    await scenario.publish(activated(MAIL, "X"))
    assert await scenario.account() == {("counted", ""): 8, ("rejected", "handler_failed"): 1}
    kept = await scenario.service.sql("select reason, raw, tenant_id from reject")
    assert [tuple(row) for row in kept] == [("handler_failed", waiting[4].encode(), TENANT)]
    assert await counted(scenario) == 8


async def test_a_bad_definition_that_is_stored_already_halts_nothing(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    stored = offer(
        meter("calls", "sum", group_by=["region", "region"]),
        meter("never", "sum", filter={"env": []}, event="calls"),
    )
    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=1)
    ) as scenario:
        await scenario.publish(catalogue(stored))
        await scenario.publish(activated(ERP, "X"))
        await scenario.publish(*(good(f"u{n}", dimensions={"region": "eu"}) for n in range(4)))
        assert await scenario.account() == {("counted", ""): 4}
        assert (await total(scenario), await counted(scenario, "never")) == ("4", 0)
        await scenario.publish(
            catalogue(offer(meter("calls", "sum", group_by=["region"])), revision=2)
        )
        scenario.clock.advance(timedelta(hours=1))
        await scenario.publish(
            used("late", START + timedelta(hours=2), meter="calls", quantity="1")
        )
        assert await total(scenario) == "5"
        assert await scenario.differences(*NOVEMBER) == []
