"""Each instant is judged by the definition in force then, and between equal instants arrival decides."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from schemas.catalogue import Aggregation, Meter
from schemas.envelope import Event
from services.billing import app
from services.billing.domain.meters import Meters, MeterVersion
from services.billing.domain.usage import MeteredService, MeterReading
from services.billing.metering.adding import add_up
from services.billing.metering.arrivals import Arrival, read
from services.billing.metering.gathering import Gathering
from services.billing.metering.knowledge import MeteringKnowledge
from services.billing.metering.quantities import MeterQuestion, quantities
from services.billing.metering.reading import Span
from services.billing.metering.store import series_in
from services.billing.metering.tools import rebuilt
from services.billing.metering.writing import write
from services.chassis.database import Pool, open_pool
from services.chassis.migrate import migrate
from services.local.roles import ensure_service, role_of
from tests.integration.billing.metering import NOVEMBER, meter, offer, total
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
from tests.support.databases import PASSWORD
from tests.support.oracles import History, quantity_over

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
REGIONS, KINDS = ["it", "fr", "us"], ["voice", "fax"]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """Billing's schema, with nothing in it."""
    await ensure_service(database, database.rsplit("/", 1)[1], "billing", PASSWORD)
    url = f"postgresql://{role_of('billing')}:{PASSWORD}@{database.split('@', 1)[1]}"
    await migrate(url, "billing", app.MIGRATIONS)
    found = await open_pool(url, "billing", 2, "test")
    yield found
    await found.close()


def history(dice: random.Random, kinds: list[Aggregation]) -> History:
    """Definitions in the order they were published, some of them for a later day than the next."""
    found: list[tuple[Meter, datetime]] = []
    for n in range(dice.randrange(1, 6)):
        kind = dice.choice(kinds)
        more: dict[str, Any] = {
            "decimals": dice.randrange(7),
            "group_by": dice.choice(
                [[], ["region"], ["kind"], ["region", "kind"], ["kind", "region"]]
            ),
            "filter": dice.choice([{}, {}, {"region": ["it", "fr"]}]),
        }
        if kind is Aggregation.UNIQUE_COUNT:
            more["value_property"] = "user"
        since = START + timedelta(minutes=dice.randrange(-2000, 30 * 1440)) if n else SINCE_EVER
        found.append((Meter.model_validate(meter("calls", kind, **more)), since))
    return found


def events(dice: random.Random) -> list[Arrival]:
    """Many at the same instants."""
    instants = [START + timedelta(minutes=dice.randrange(30 * 1440)) for _ in range(12)]
    found = []
    for n in range(dice.randrange(30)):
        dimensions = {
            "region": dice.choice(REGIONS),
            "kind": dice.choice(KINDS),
            "user": f"u{dice.randrange(5)}",
        }
        quantity = f"{dice.randrange(100)}.{dice.randrange(10)}"
        event = used(
            f"e{n}", dice.choice(instants), meter="calls", quantity=quantity, dimensions=dimensions
        )
        found.append(read(event.encode(), n))
    return found


@pytest.mark.parametrize(
    "kinds",
    [
        [Aggregation.TIME_WEIGHTED],
        [Aggregation.TIME_WEIGHTED, Aggregation.SUM],
        [Aggregation.LATEST],
        list(Aggregation),
    ],
    ids=["levels", "levels and sums", "latest", "everything"],
)
async def test_any_history_of_definitions_gives_what_each_instant_gives_by_its_own(
    pool: Pool, kinds: list[Aggregation]
) -> None:
    dice = random.Random(str(kinds))
    reading = MeterReading(("calls",), ("kind", "region", "user"), None)
    service = MeteredService(ERP, TENANT, SINCE_EVER, {"calls": reading})
    for _ in range(60):
        ours, arrivals = history(dice, kinds), events(dice)
        meters = Meters(MeterVersion(found, n + 1, since) for n, (found, since) in enumerate(ours))
        async with pool.acquire() as db:
            transaction = db.transaction()
            await transaction.start()
            shuffled = dice.sample(arrivals, len(arrivals))
            for portion in (shuffled[::2], shuffled[1::2]):
                sums = add_up(
                    Gathering(portion).groups, {ERP: service}, {TENANT: ROME}, meters, log=1
                )
                await write(db, MeteringKnowledge(), sums, {ERP: TENANT})
            for _ in range(4):
                first, last = sorted(dice.sample(range(30 * 24), 2))
                start, end = START + timedelta(hours=first), START + timedelta(hours=last)
                series = [
                    row for row in await series_in(db, TENANT, "calls") if row.service_id == ERP
                ]
                [found] = await quantities(
                    db, meters, [MeterQuestion("calls", series, Span(start, end))]
                )
                assert found == quantity_over(ours, arrivals, start, end), (ours, start, end)
            await transaction.rollback()


# -- at work -----------------------------------------------------------------------------------------------------------


def level(event_id: str, at: datetime, quantity: str, **dimensions: str) -> Event[Any]:
    return used(event_id, at, meter="level", quantity=quantity, dimensions=dimensions)


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        yield found


async def begin(scenario: Scenario, content: dict[str, Any]) -> None:
    """The first catalogue, and a service sold by it."""
    await scenario.publish(catalogue(content))
    await scenario.publish(activated(ERP, "X"))


LATER: dict[str, dict[str, Any]] = {
    "decimals": {"decimals": 6},
    "group_by": {"group_by": ["region"]},
    "filter": {"filter": {"region": ["mars"]}},
    "aggregation": {"aggregation": "sum"},
    "event": {"event": "unheard"},
    "value_property": {"value_property": "pages"},
}


@pytest.mark.parametrize("change", LATER)
async def test_a_definition_for_january_changes_nothing_of_november(
    scenario: Scenario, change: str
) -> None:
    await begin(scenario, offer(meter("level", "time_weighted")))
    later = offer(meter("level", **{"aggregation": "time_weighted", **LATER[change]}))
    scenario.clock.advance(timedelta(days=11))
    await scenario.publish(level("e1", START + timedelta(days=9), "10", region="it"))
    assert await total(scenario, "level") == "7"
    await scenario.publish(catalogue({**later, "valid_from": "2027-01-01T00:00:00Z"}, revision=2))
    await scenario.publish(level("e2", START + timedelta(days=10), "10", region="it"))
    scenario.clock.set(START + timedelta(days=31))
    assert await total(scenario, "level") == "7"
    assert await scenario.differences(*NOVEMBER) == []


async def test_a_level_ends_with_the_definition_that_grouped_it_and_holds_where_the_groups_stay(
    scenario: Scenario,
) -> None:
    def defined(day: int, *group_by: str, **more: Any) -> dict[str, Any]:
        content = offer(
            meter("level", "time_weighted", decimals=6, group_by=list(group_by), **more)
        )
        return {**content, "valid_from": (START + timedelta(days=day)).isoformat()}

    await begin(scenario, defined(0))
    await scenario.publish(level("e1", START, "10", region="it"))
    await scenario.publish(catalogue(defined(10, "region"), revision=2))
    await scenario.publish(catalogue(defined(25, "region", unit="GB"), revision=3))
    scenario.clock.set(START + timedelta(days=20))
    await scenario.publish(level("e2", START + timedelta(days=20), "6", region="it"))
    assert await total(scenario, "level") == plain_average([(10, 10), (0, 10), (6, 10)])
    days = [
        await total(scenario, "level", f"2026-11-{day}", f"2026-11-{day + 1}")
        for day in (10, 11, 20, 21, 27)
    ]
    assert days == ["10", "0", "0", "6", "6"]


def plain_average(levels: list[tuple[int, int]]) -> str:
    """Levels, and the days each held."""
    exact = Decimal(sum(value * held for value, held in levels)) / sum(held for _, held in levels)
    return f"{exact.quantize(Decimal('0.000001')):f}".rstrip("0")


async def test_groups_are_added_before_they_are_rounded(scenario: Scenario) -> None:
    await begin(scenario, offer(meter("level", "time_weighted", group_by=["region"])))
    scenario.clock.set(START + timedelta(days=15))
    await scenario.publish(
        *(
            level(f"e{n}", START + timedelta(days=15), "1", region=name)
            for n, name in enumerate(REGIONS)
        )
    )
    assert await total(scenario, "level") == "2"


@pytest.mark.parametrize("in_one_slice", [False, True], ids=["slice by slice", "in one slice"])
async def test_of_two_events_of_one_instant_the_correction_wins_also_when_added_up_anew(
    scenario: Scenario, in_one_slice: bool
) -> None:
    await begin(
        scenario, offer(meter("level", "time_weighted"), meter("last", "latest", event="level"))
    )
    scenario.clock.set(START + timedelta(days=20))
    pairs = [
        (
            level(f"{uuid4()}", START + timedelta(days=day), "1"),
            level(f"{uuid4()}", START + timedelta(days=day), "2"),
        )
        for day in range(20)
    ]

    async def all_corrected() -> bool:
        said = {
            await total(scenario, key, f"2026-11-{day:02}", f"2026-11-{day + 1:02}")
            for key in ("level", "last")
            for day in range(1, 21)
        }
        return said == {"2"}

    for pair in pairs if not in_one_slice else [sum(pairs, ())]:
        await scenario.slice(*(event.encode() for event in pair))
    await scenario.service.settled()
    assert await all_corrected()
    assert await scenario.differences(*NOVEMBER) == []
    assert [
        n
        async for _, n in rebuilt(
            scenario.url, date(2026, 11, 1), date(2026, 12, 1), None, None, None
        )
    ] == [40]
    assert await all_corrected()
    again = level("again", START + timedelta(days=3), "3")
    await scenario.slice(again.encode())
    await scenario.service.settled()
    assert await total(scenario, "last", "2026-11-04", "2026-11-05") == "3"


async def test_events_of_earlier_builds_keep_the_order_they_had(scenario: Scenario) -> None:
    await begin(scenario, offer(meter("last", "latest")))
    events = [used(f"e{n}", START, meter="last", quantity=str(n)) for n in range(6)]
    await scenario.publish(*events)
    by_key = max(events, key=lambda event: read(event.encode(), 0).key)
    await scenario.service.sql(
        "update usage_block set log_no = null, offsets = null, first_offset = null"
    )
    async for _ in rebuilt(scenario.url, date(2026, 11, 1), date(2026, 12, 1), None, None, None):
        pass
    assert await total(scenario, "last") == str(by_key.data.quantity)
    await scenario.publish(replace(used("correction", START, meter="last", quantity="77")))
    assert await total(scenario, "last") == "77"
    assert await scenario.differences(*NOVEMBER) == []


async def test_the_same_definition_published_for_an_earlier_day_begins_then(
    scenario: Scenario,
) -> None:
    await begin(scenario, offer(meter("level", "time_weighted")))
    other = offer(meter("level", "time_weighted", decimals=3))
    for revision, day in ((2, "2027-01-01"), (3, "2026-12-01"), (4, "2026-12-05")):
        await scenario.publish(
            catalogue({**other, "valid_from": f"{day}T00:00:00Z"}, revision=revision)
        )
    found = await scenario.service.sql(
        "select version, valid_from from meter_version where key = 'level' order by 1"
    )
    assert [(row["version"], f"{row['valid_from']:%Y-%m-%d}") for row in found] == [
        (1, "1970-01-01"), (2, "2027-01-01"), (3, "2026-12-01"),
    ]  # fmt: skip
