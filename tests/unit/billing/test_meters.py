"""A meter reads, filters, groups and measures by the definition that is in force."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.catalogue import Aggregation
from services.billing.domain.meters import Meters, MeterVersion, NotMeasurable
from services.billing.domain.periods import midnight
from services.billing.domain.usage import (
    QUARTER,
    MeterReading,
)  # fmt: skip
from services.billing.metering import adding
from tests.support.catalogue import ROME
from tests.unit.billing.events import NOON, SERVICE, START, TENANT, Sold, arrival, meter


@pytest.mark.parametrize(
    ("dimensions", "passes"),
    [
        ({"region": "eu", "tier": "gold"}, True), ({"region": "it", "tier": "gold", "more": "x"}, True),
        ({"region": "us", "tier": "gold"}, False), ({"region": "eu"}, False), ({}, False),
        ({"region": "EU", "tier": "gold"}, False),
    ],
    ids=["both accepted", "one dimension more", "one not accepted", "one missing", "no dimensions", "in capitals"],
)  # fmt: skip
def test_a_filter_wants_every_dimension_with_one_of_its_values(
    dimensions: dict[str, str], passes: bool
) -> None:
    version = MeterVersion(meter(filter={"region": ["eu", "it"], "tier": ["gold"]}), 1, START)
    assert version.passes(dimensions) is passes
    assert MeterVersion(meter(), 1, START).passes(dimensions)


@pytest.mark.parametrize(
    ("dimensions", "group"),
    [
        ({"region": "eu", "tier": "gold", "more": "x"}, (("region", "eu"), ("tier", "gold"))),
        ({"tier": "gold"}, (("region", ""), ("tier", "gold"))), ({}, (("region", ""), ("tier", ""))),
    ],
    ids=["both", "one missing", "none"],
)  # fmt: skip
def test_a_group_is_each_dimension_by_name_and_empty_where_there_is_none(
    dimensions: dict[str, str], group: tuple[tuple[str, str], ...]
) -> None:
    for order in (["region", "tier"], ["tier", "region"]):
        assert MeterVersion(meter(group_by=order), 1, START).group(dimensions) == group


def test_the_latest_version_that_counts_by_then_is_in_force_and_before_all_of_them_the_first() -> (
    None
):
    days = [NOON + timedelta(days=n) for n in (0, 10, 5)]
    versions = [MeterVersion(meter(), n, day) for n, day in enumerate(days, 1)]
    for found in (Meters(versions), Meters(reversed(versions))):
        at = [NOON + timedelta(days=n) for n in (-1, 0, 4, 5, 10, 99)]
        assert [found.in_force("calls", instant).version for instant in at] == [1, 1, 1, 3, 3, 3]
        assert (found.latest("calls").version, "calls" in found, "orders" in found) == (
            3,
            True,
            False,
        )


def test_versions_that_change_within_a_quarter_share_its_events_by_the_instant() -> None:
    change = NOON + timedelta(minutes=7)
    versions = [MeterVersion(meter(), 1, START), MeterVersion(meter(Aggregation.MAX), 2, change)]
    sold = Sold(Meters(versions))
    assert sold.meters.changes_within("calls", NOON, NOON + QUARTER)
    assert not sold.meters.changes_within("calls", change, change + QUARTER)
    at = [NOON, change - timedelta(microseconds=1), change, NOON + timedelta(minutes=14)]
    found = sold.sums(
        [arrival(instant, f"u{n}", quantity=str(n + 1)) for n, instant in enumerate(at)]
    )
    assert {key: (bucket.n, bucket.total, bucket.high) for ((_, _, key, _), _), (_, bucket) in found.buckets.items()} == {
        1: (2, Decimal(3), None), 2: (2, None, Decimal(4)),
    }  # fmt: skip


def test_a_version_that_reads_another_name_counts_only_that() -> None:
    versions = [MeterVersion(meter(), 1, START), MeterVersion(meter(event="pings"), 2, NOON)]
    at = [NOON - timedelta(hours=1), NOON + timedelta(hours=1)]
    arrivals = [
        arrival(instant, f"{name}{n}", quantity="1", meter=name) for n, instant in enumerate(at) for name in ("calls", "pings")
    ]  # fmt: skip
    found = Sold(Meters(versions)).sums(arrivals)
    assert {(version, starts): bucket.n for ((_, _, version, _), starts), (_, bucket) in found.buckets.items()} == {
        (1, at[0]): 1, (2, at[1]): 1,
    }  # fmt: skip


NO_NUMBERS = [
    "",
    "doc",
    "-1",
    "1e3",
    "NaN",
    "Infinity",
    "1_0",
    " 1",
    "1\n",
    "١",
    "1.",
    "9" * 27,
    "0." + "1" * 13,
]


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("property_", ["value", "pages"])
def test_a_number_is_measured_only_where_there_is_one(text: str, property_: str) -> None:
    version = MeterVersion(meter(value_property=property_), 1, START)
    said = arrival(value="7", dimensions={"pages": "7"}).said
    assert version.text(said) == "7"
    said.value, said.dimensions = text, {"pages": text}
    with pytest.raises(NotMeasurable):
        version.text(said)


@pytest.mark.parametrize(
    ("kind", "more", "data", "found"),
    [
        (Aggregation.SUM, {}, {"quantity": "1.50"}, "1.50"), (Aggregation.SUM, {}, {"value": "7"}, None),
        (Aggregation.UNIQUE_COUNT, {}, {"value": "doc"}, "doc"), (Aggregation.UNIQUE_COUNT, {}, {"quantity": "7"}, None),
        (Aggregation.UNIQUE_COUNT, {"value_property": "user"}, {"quantity": "7", "dimensions": {"user": "ada"}}, "ada"),
        (Aggregation.UNIQUE_COUNT, {"value_property": "user"}, {"quantity": "7"}, None),
        (Aggregation.COUNT, {}, {"value": "doc"}, ""), (Aggregation.COUNT, {"value_property": "user"}, {"quantity": "7"}, ""),
    ],
    ids=[
        "a sum of quantities", "a sum, but a value", "unique values", "unique values, but a quantity", "a unique dimension",
        "a unique dimension, missing", "a count", "a count that names a dimension",
    ],
)  # fmt: skip
def test_what_is_measured_is_what_the_meter_asks_for(
    kind: Aggregation, more: dict[str, Any], data: dict[str, Any], found: str | None
) -> None:
    version, event = MeterVersion(meter(kind, **more), 1, START), arrival(**data)
    reading = MeterReading(("calls",), (), None)
    assert adding.measurable(event, reading, Meters([version])) is (found is not None)
    if found is not None:
        assert version.text(event.said) == found


def test_what_one_meter_cannot_measure_still_counts_for_the_others() -> None:
    ours = [
        MeterVersion(meter(), 1, START),
        MeterVersion(meter(key="other", event="calls", value_property="pages"), 1, START),
    ]
    found = Sold(Meters(ours)).sums(
        [arrival(quantity="3"), arrival(event_id="u-2", quantity="4", dimensions={"pages": "9"})]
    )
    assert {key: (bucket.n, bucket.total) for ((_, key, _, _), _), (_, bucket) in found.buckets.items()} == {
        "calls": (2, Decimal(7)), "other": (1, Decimal(9)),
    }  # fmt: skip


def test_an_event_is_measured_by_the_versions_and_filters_of_its_time() -> None:
    gold = meter(filter={"tier": ["gold"]}, value_property="pages")
    versions = Meters([MeterVersion(meter(), 1, START), MeterVersion(gold, 2, NOON)])
    reading = MeterReading(("calls",), ("pages", "tier"), None)
    for at, tier, found in [
        (NOON - timedelta(minutes=1), "gold", True),
        (NOON, "silver", True),
        (NOON, "gold", False),
    ]:
        event = arrival(at, quantity="1", dimensions={"tier": tier})
        assert adding.measurable(event, reading, versions) is found


def test_late_usage_is_told_by_series_and_civil_month() -> None:
    sold = Sold(Meters([MeterVersion(meter(), 1, START)]))
    at = [START, START + timedelta(hours=5), midnight(date(2026, 12, 1), ROME)]
    sums = sold.sums([arrival(instant, f"u{n}", quantity="2") for n, instant in enumerate(at)])
    late = adding.add_late(sums, sold.zones, {SERVICE: TENANT})
    assert {month: (item.n, item.total) for (_, month), item in late.items()} == {
        date(2026, 11, 1): (2, Decimal(4)), date(2026, 12, 1): (1, Decimal(2)),
    }  # fmt: skip
