"""Events are added up and packed the same, in whatever order and portions they come."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Aggregation
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.buckets import Bucket, add_up, civil_hour
from services.billing.domain.meters import Meters, MeterVersion
from services.billing.domain.money import tidy
from services.billing.domain.periods import midnight
from services.billing.domain.usage import (
    QUARTER,
)  # fmt: skip
from services.billing.metering.blocks import pack, unpack
from tests.support.catalogue import ROME
from tests.support.oracles import quantity_of
from tests.unit.billing.events import NOON, NUMBERS, START, Sold, arrival, meter


@dataclass(frozen=True)
class Point:
    """What a bucket sees of an event."""

    at: datetime
    key: bytes
    text: str

    @property
    def offset(self) -> int:
        return int.from_bytes(self.key[:7], "big")


POINTS = st.lists(
    st.builds(
        Point, st.integers(0, 40).map(lambda n: NOON + timedelta(seconds=n * 90)), st.binary(min_size=16, max_size=16), NUMBERS
    ),
    min_size=1, max_size=20, unique_by=lambda point: point.key,
)  # fmt: skip
AGGREGATIONS = st.sampled_from(Aggregation)


def filled(kind: Aggregation, portions: Iterable[Sequence[Point]], log: int | None = 1) -> Bucket:
    bucket = Bucket()
    for portion in portions:
        bucket.add(kind, [point.text for point in portion], portion, log)
    return bucket


@given(POINTS.filter(lambda points: len({point.offset for point in points}) == len(points)))
def test_of_events_of_one_instant_the_one_that_came_last_is_the_latest(points: list[Point]) -> None:
    at_once = [replace(point, at=NOON) for point in points]
    found = filled(Aggregation.LATEST, [at_once]).last
    assert found
    assert found[2] == Decimal(max(at_once, key=lambda point: point.offset).text)
    earlier_build = filled(Aggregation.LATEST, [[replace(at_once[0], key=b"\xfe" * 16)]], None)
    earlier_build.add(Aggregation.LATEST, ["7"], at_once[:1], 1)
    assert earlier_build.last
    assert earlier_build.last[2] == 7


@given(AGGREGATIONS, POINTS, st.randoms(use_true_random=False))
def test_any_order_and_any_portions_give_the_same_bucket(
    kind: Aggregation, points: list[Point], dice: random.Random
) -> None:
    shuffled = dice.sample(points, len(points))
    cuts = sorted(dice.sample(range(1, len(points)), dice.randrange(len(points))))
    portions = [
        shuffled[first:after] for first, after in zip([0, *cuts], [*cuts, len(points)], strict=True)
    ]
    assert (
        filled(kind, [points])
        == filled(kind, portions)
        == filled(kind, [[point] for point in reversed(points)])
    )


def folded(kind: Aggregation, buckets: Sequence[Bucket], start: datetime, end: datetime) -> Decimal:
    """The quantity of a window that these buckets are all of; levels of one group only."""
    match kind:
        case Aggregation.COUNT:
            return Decimal(sum(bucket.n for bucket in buckets))
        case Aggregation.UNIQUE_COUNT:
            return Decimal(len(set[object]().union(*(bucket.values for bucket in buckets))))
        case Aggregation.SUM:
            return add_up(bucket.total or Decimal(0) for bucket in buckets)
        case Aggregation.MAX:
            return max(
                (bucket.high for bucket in buckets if bucket.high is not None), default=Decimal(0)
            )
        case Aggregation.MIN:
            return min(
                (bucket.low for bucket in buckets if bucket.low is not None), default=Decimal(0)
            )
        case Aggregation.LATEST:
            return max(
                (bucket.last for bucket in buckets if bucket.last), default=(start, b"", Decimal(0))
            )[2]
        case Aggregation.TIME_WEIGHTED:
            levels = sorted(level for bucket in buckets for level in bucket.levels)
            samples = [Sample(at, order.hex(), level) for at, order, level in levels]
            return time_weighted(samples, Decimal(0), start, end, 6)


USED = st.lists(
    st.tuples(st.integers(0, 3000), st.sampled_from(["0", "2.5", "2.50", "17"]), st.sampled_from([None, "eu", "us"])), max_size=30
)  # fmt: skip


@given(AGGREGATIONS, USED, st.booleans())
def test_hours_folded_together_are_what_all_events_come_to(
    kind: Aggregation, used: list[tuple[int, str, str | None]], filters: bool
) -> None:
    end = START + timedelta(minutes=3001)
    measured = "value" if kind is Aggregation.UNIQUE_COUNT else "quantity"
    ours = meter(kind, decimals=6, filter={"region": ["eu"]} if filters else {})
    arrivals = [
        arrival(START + timedelta(minutes=at), f"u{n}", **{measured: text}, dimensions={"region": region} if region else {})
        for n, (at, text, region) in enumerate(used)
    ]  # fmt: skip
    sums = Sold(Meters([MeterVersion(ours, 1, START)])).sums(arrivals)
    assert all(START <= starts < end and starts.minute == 0 for _, starts in sums.buckets)
    buckets = [bucket for _, bucket in sums.buckets.values()]
    assert folded(kind, buckets, START, end) == quantity_of(ours, arrivals, START, end)


@given(USED)
def test_groups_are_kept_apart_and_nothing_is_lost_between_them(
    used: list[tuple[int, str, str | None]],
) -> None:
    ours = meter(group_by=["region"])
    arrivals = [
        arrival(
            START + timedelta(minutes=at),
            f"u{n}",
            quantity=text,
            dimensions={"region": region} if region else {},
        )
        for n, (at, text, region) in enumerate(used)
    ]
    found: dict[str, int] = {"": 0, "eu": 0, "us": 0}
    for ((_, _, _, group), _), (_, bucket) in (
        Sold(Meters([MeterVersion(ours, 1, START)])).sums(arrivals).buckets.items()
    ):
        found[dict(group)["region"]] += bucket.n
    assert found == {name: sum((region or "") == name for _, _, region in used) for name in found}


def test_a_sum_has_all_its_digits() -> None:
    large = arrival(quantity="9" * 26 + ".000000000001")
    small = arrival(event_id="u-2", quantity="0.000000000001")
    sums = Sold(Meters([MeterVersion(meter(), 1, START)])).sums([large, small])
    [(_, bucket)] = sums.buckets.values()
    assert bucket.total is not None
    assert tidy(bucket.total) == bucket.total == Decimal("9" * 26 + ".000000000002")


def hours_of(zone: ZoneInfo, first: date, after: date) -> list[datetime]:
    """The civil hours that begin in some days, found by looking at every quarter."""
    quarters = (midnight(after, zone) - midnight(first, zone)) // QUARTER
    return sorted({civil_hour(midnight(first, zone) + n * QUARTER, zone) for n in range(quarters)})


def test_an_october_that_repeats_an_hour_has_745_of_them() -> None:
    assert len(hours_of(ROME, date(2026, 10, 1), date(2026, 11, 1))) == 745
    day = [
        f"{hour.astimezone(ROME):%H}"
        for hour in hours_of(ROME, date(2026, 10, 25), date(2026, 10, 26))
    ]
    assert (len(day), day[:5]) == (25, ["00", "01", "02", "02", "03"])
    assert len(hours_of(ROME, date(2026, 3, 1), date(2026, 4, 1))) == 743


def test_half_an_hour_that_is_repeated_or_skipped_is_an_hour_of_its_own_or_a_short_one() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    assert len(hours_of(zone, date(2026, 4, 5), date(2026, 4, 6))) == 25
    assert len(hours_of(zone, date(2026, 10, 4), date(2026, 10, 5))) == 24
    assert midnight(date(2026, 4, 6), zone) - midnight(date(2026, 4, 5), zone) == timedelta(
        hours=24, minutes=30
    )


def test_civil_hours_begin_at_a_quarter_to_where_clocks_are_a_quarter_off() -> None:
    hours = hours_of(ZoneInfo("Asia/Kathmandu"), date(2026, 11, 1), date(2026, 11, 2))
    assert len(hours) == 24
    assert {hour.minute for hour in hours} == {15}


@given(st.timezones(), st.integers(0, 17 * 366 * 96), st.integers(0, 96), st.integers(0, 899))
def test_what_lies_in_one_quarter_lies_in_one_civil_hour_and_hours_are_told_apart(
    zone: ZoneInfo, quarter: int, further: int, seconds: int
) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + quarter * QUARTER
    other = at + further * QUARTER + timedelta(seconds=seconds)
    assert civil_hour(other, zone) == civil_hour(at + further * QUARTER, zone)
    clock, another = at.astimezone(zone), other.astimezone(zone)
    alike = (clock.date(), clock.hour, clock.utcoffset()) == (
        another.date(),
        another.hour,
        another.utcoffset(),
    )
    assert (civil_hour(at, zone) == civil_hour(other, zone)) is alike


@given(
    st.dictionaries(
        st.integers(1, 2**31 - 1),
        st.lists(st.binary(max_size=40), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
    )
)
def test_each_tenants_events_come_out_of_a_block_as_they_went_in(
    raws: dict[int, list[bytes]],
) -> None:
    block = pack(raws, START, NOON)
    assert (block.first_at, block.last_at) == (START, NOON)
    assert dict(zip(block.tenants, block.ns, strict=True)) == {
        tenant: len(found) for tenant, found in raws.items()
    }
    assert dict(unpack(block.events, block.tenants, block.ns, raws)) == raws
    for tenant, found in raws.items():
        assert list(unpack(block.events, block.tenants, block.ns, {tenant})) == [(tenant, found)]
    assert list(unpack(block.events, block.tenants, block.ns, {0})) == []
