"""Metering, without a server: events are read, judged, added up and packed the same, whatever way they come."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Aggregation, Meter
from schemas.envelope import Event, Malformed, decode
from schemas.scalars import holds_forbidden_text
from schemas.usage import UsageRecorded
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.buckets import Bucket, add_up, civil_hour
from services.billing.domain.meters import Meters, MeterVersion, NotMeasurable
from services.billing.domain.money import tidy
from services.billing.domain.periods import midnight
from services.billing.domain.usage import (
    QUARTER,
    WAITS,
    Likeness,
    Reading,
    Service,
    Window,
    judge,
    judge_time,
    quarter_of,
    start_of,
)  # fmt: skip
from services.billing.metering import adding
from services.billing.metering.arrivals import Arrival, plainly, read, read_carefully
from services.billing.metering.blocks import pack, unpack
from services.billing.metering.gathering import Gathering
from tests.support.catalogue import ROME
from tests.support.oracles import quantity_of

TENANT = "11111111-1111-1111-1111-111111111111"
SERVICE = "22222222-2222-2222-2222-222222222222"
START = datetime(2026, 11, 1, tzinfo=ROME).astimezone(UTC)
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)

# -- reading -----------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: not holds_forbidden_text(text)
)
KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
NUMBERS = st.one_of(
    st.integers(0, 10**26 - 1).map(str),
    st.builds("{}.{}".format, st.integers(0, 10**26 - 1), st.from_regex(r"[0-9]{1,12}", fullmatch=True)),
)
INSTANTS = st.integers(0, 40_000_000_000).map(lambda seconds: NOON + timedelta(seconds=seconds)) | st.integers(
    -(10**15), 10**16
).map(lambda us: NOON + timedelta(microseconds=us))


def usage(at: datetime = NOON, event_id: str = "u-1", source: str = "/erp", tenant: str = TENANT, **data: Any) -> bytes:
    """A usage event as the doors write it."""
    payload = UsageRecorded.model_validate({"service_id": SERVICE, "meter": "calls", **data})
    return Event(event_id, source, payload.wire_type, tenant, at, payload, revision=3).encode()


_OFFSETS = count(7)


def arrival(at: datetime = NOON, event_id: str = "u-1", **data: Any) -> Arrival:
    return read(usage(at, event_id, **data), next(_OFFSETS))


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Usage as our own code writes it."""
    measured = {"quantity": draw(NUMBERS)} if draw(st.booleans()) else {"value": draw(TEXTS)}
    dimensions = draw(st.dictionaries(KEYS, TEXTS, max_size=3))
    return usage(
        draw(INSTANTS), draw(TEXTS), draw(TEXTS), draw(TEXTS), meter=draw(KEYS), dimensions=dimensions, **measured
    )


SPELLINGS: dict[str, list[str]] = {
    "specversion": ['"1.0"', '"1.1"', "1.0", "null"],
    "id": ['"u-1"', '"\\u0075-1"', '"ü"', '""', f'"{"x" * 255}"', f'"{"x" * 256}"', '"a\\u0000b"', '"a\tb"', '"\\/"', "7"],
    "source": ['"/erp"', '"\\/erp"', '"\\ufffe"', '"\ud800"', "null"],
    "type": [f'"{UsageRecorded.wire_type}"', '"vicino.heartbeat.received.v1"', '"vicino.usage.recorded.v2"', "[]"],
    "subject": [f'"{TENANT}"', '"è"', '"e\\u0300"', '"\\n"', '""'],
    "time": [
        '"2026-11-05T12:00:00Z"', '"2026-11-05T12:00:00.123456Z"', '"2026-11-05T12:00:00.000000Z"',
        '"2026-11-05T12:00:00.500Z"', '"2026-11-05T12:00:00.500000Z"', '"2026-11-05t12:00:00z"', '"2026-11-05T13:00:00+01:00"',
        '"2026-11-05T120000.0Z"', '"2026-11-05T120000,0Z"', '"2026-W45-4T12:00:00Z"', '"20261105T12:00:00.00Z"',
        '"2026-11-05 12:00:00Z"', '"2026-11-05T12:00:00"', '"2026-11-05T12:00:60Z"', '"2026-11-05T24:00:00Z"',
        '"2026-02-30T12:00:00Z"',
        '"0001-01-01T00:00:00+01:00"', '"0000-01-01T00:00:00Z"', '"2026-11-05T12:00:00.1234567Z"',
        '"2026-11-05T12:00:00.12345٦Z"',
        '"2026-11-05T12:00:00.Z"', '"2026-11-05T12:00:00,500000Z"', '"2026-11-05T12:00:00\\u005a"', "1762344000", '""',
    ],
    "datacontenttype": ['"application/json"', '"text/xml"', "1", "null"],
    "revision": ["3", "0", "-1", "3.0", "3.5", "1e2", '"3"', "true", "99999999999999999999999", "null"],
    "principal": ['"back-end"', "1", "null"],
    "novelty": ["1", "{}", "[" * 40 + "]" * 40, "1e400", '"\\ud800"', "01"],
    "service_id": [f'"{SERVICE}"', f'"{SERVICE[:-1]}Ü"', f'"{SERVICE.replace("2", "A")}"', f'"{SERVICE}\\n"', '"s"', "null"],
    "meter": [
        '"calls"', '"c\\u0061lls"', '"c.a-l_s"', '".calls"', '"calls "', '"calls\\n"', '"càlls"', f'"{"m" * 101}"', '""', "{}",
    ],
    "quantity": [
        '"1"', '"1.50"', '"0.0"', '"01"', '"00.5"', '"007"', f'"{"9" * 26}.{"9" * 12}"', f'"{"9" * 27}"', '"0.0000000000001"',
        '"1."',
        '".5"', '"-1"', '"+1"', '"1e3"', '"1_0"', '" 1"', '"1\\n"', '"NaN"', '"١"', '"\\u0031"', '""', "1", "1.5", "null",
    ],
    "value": [
        '"doc-1"', '"d\\u00f3c"', '"dóc"', '"\\u0000"', '""', f'"{"v" * 200}"', f'"{"v" * 201}"', '"\\t"', '"\t"', "1", "null",
    ],
    "dimensions": [
        "{}", '{"region":"eu"}', '{"b":"2","a":"1"}', '{"a":"1","a":"2"}', '{"a":"ü"}', '{"a":""}', '{"à":"1"}', '{"a b":"1"}',
        '{"a\\n":"1"}', '{"a":1}', '{"a":null}', "[]", "null", json.dumps({f"d{n}": "x" for n in range(8)}),
        json.dumps({f"d{n}": "x" for n in range(9)}),
    ],
    "unit_of_tomorrow": ["1", '{"a":[1]}', "[" * 300 + "]" * 300, "9" * 5000, "1e400", "-", "NaN", '"\x01"', '"\\ud800"'],
}  # fmt: skip
"""JSON for each member, the plain one first."""

DATA = ("service_id", "meter", "quantity", "value", "dimensions", "unit_of_tomorrow")
PLAIN = ("specversion", "id", "source", "type", "subject", "time")


def _object(members: Iterable[tuple[str, str]], blank: str) -> str:
    return "{" + f",{blank}".join(f'"{name}":{blank}{text}' for name, text in members) + "}"


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """Usage as others might write it: a few members spelled oddly, absent, twice, or in another order."""
    odd = draw(st.lists(st.sampled_from(sorted(SPELLINGS)), max_size=3, unique=True))
    measured = draw(st.sampled_from(["quantity", "value"]))
    members = {name: SPELLINGS[name][0] for name in (*PLAIN, "service_id", "meter", measured)}
    members |= {name: draw(st.sampled_from(SPELLINGS[name])) for name in odd}
    found = draw(st.permutations(list(members.items())))
    if draw(st.integers(0, 9)) == 0:
        found = found[1:]
    if draw(st.integers(0, 9)) == 0:
        found = [*found, (found[0][0], draw(st.sampled_from(SPELLINGS[found[0][0]])))]
    blank = draw(st.sampled_from(["", "", " ", "\n\t"]))
    data = _object([(name, text) for name, text in found if name in DATA], blank)
    envelope = [(name, text) for name, text in found if name not in DATA]
    envelope.insert(draw(st.integers(0, len(envelope))), ("data", data))
    return _object(envelope, blank).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Usage with a few bytes that somebody dropped, doubled or wrote over."""
    raw = bytearray(draw(written()))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(raw) - 1))
        raw[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(raw)


def told(raw: bytes, reader: Any) -> Any:
    """What a reader makes of an event: all of it but how it was read, or the reason why not."""
    try:
        found = reader(raw, 7)
    except Malformed as fault:
        return fault.reason
    return {name: getattr(found, name) for name in Arrival.__struct_fields__ if name != "careful"}


@given(written() | spelled() | spoilt())
def test_the_fast_path_says_what_the_careful_reader_says(raw: bytes) -> None:
    assert told(raw, read) == told(raw, read_carefully)


@pytest.mark.parametrize("member", SPELLINGS)
def test_no_spelling_of_a_member_takes_the_two_ways_apart(member: str) -> None:
    for text in SPELLINGS[member]:
        for measured in ("quantity", "value"):
            members = {name: SPELLINGS[name][0] for name in (*PLAIN, "service_id", "meter", measured)} | {member: text}
            data = _object([(name, known) for name, known in members.items() if name in DATA], "")
            envelope = [(name, known) for name, known in members.items() if name not in DATA]
            raw = _object([*envelope, ("data", data)], "").encode("utf-8", "surrogatepass")
            assert told(raw, read) == told(raw, read_carefully), text


@given(spelled() | spoilt())
def test_what_the_schemas_refuse_is_refused_with_their_reason(raw: bytes) -> None:
    try:
        refused = "" if isinstance(decode(raw).data, UsageRecorded) else "unknown_type"
    except Malformed as fault:
        refused = fault.reason
    found = told(raw, read)
    assert (found if isinstance(found, str) else "") == refused


@given(INSTANTS, NUMBERS, st.dictionaries(KEYS, KEYS, max_size=3))
def test_what_the_doors_write_takes_the_fast_path(at: datetime, number: str, dimensions: dict[str, str]) -> None:
    raw = usage(at, quantity=number, dimensions=dimensions)
    assert plainly(raw) is not None
    assert read(raw, 7).at == at


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=2, max_size=6, unique=True))
def test_the_same_id_of_another_tenant_or_source_is_another_event(names: list[tuple[str, str, str]]) -> None:
    raws = [usage(NOON, event_id, source, tenant, quantity="1") for tenant, source, event_id in names]
    assert len({read(raw, 7).key for raw in raws}) == len(names)


@given(INSTANTS, INSTANTS, NUMBERS, NUMBERS)
def test_an_event_is_known_by_its_name_and_what_it_says_by_its_content(
    at: datetime, other: datetime, number: str, another: str
) -> None:
    one, two = arrival(at, quantity=number), arrival(other, quantity=another)
    assert one.key == two.key
    assert (one.payload_hash == two.payload_hash) is ((at, number.lstrip("0")) == (other, another.lstrip("0")))


@pytest.mark.parametrize(
    "other",
    [
        {"meter": "orders"}, {"service_id": TENANT}, {"quantity": "2"}, {"quantity": None, "value": "1"},
        {"dimensions": {"a": "b"}}, {"dimensions": {"b": "a"}},
    ],
)  # fmt: skip
def test_other_content_has_another_hash(other: dict[str, Any]) -> None:
    assert arrival(quantity="1").payload_hash != arrival(**{"quantity": "1", **other}).payload_hash


# -- adding up ---------------------------------------------------------------------------------------------------------


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
    portions = [shuffled[first:after] for first, after in zip([0, *cuts], [*cuts, len(points)], strict=True)]
    assert filled(kind, [points]) == filled(kind, portions) == filled(kind, [[point] for point in reversed(points)])


def meter(kind: Aggregation = Aggregation.SUM, key: str = "calls", **more: Any) -> Meter:
    return Meter.model_validate({"key": key, "name": "Calls", "aggregation": kind, "unit": "n", **more})


@dataclass
class Sold:
    """A service whose plan prices some meters."""

    meters: Meters
    services: dict[str, Service] = field(init=False)
    zones: dict[str, ZoneInfo] = field(init=False)

    def __post_init__(self) -> None:
        versions = [
            version for key in ("calls", "other") if key in self.meters for version in self.meters.versions(key)
        ]
        looked_at = {name for version in versions for name in (*version.meter.filter, *version.meter.group_by)}
        looked_at |= {version.meter.measures for version in versions} - {"quantity", "value"}
        keys = tuple(dict.fromkeys(version.meter.key for version in versions))
        readings = {version.meter.reads: Reading(keys, tuple(sorted(looked_at)), None) for version in versions}
        self.services = {SERVICE: Service(SERVICE, TENANT, START, readings)}
        self.zones = {TENANT: ROME}

    def sums(self, arrivals: Sequence[Arrival]) -> adding.Sums:
        return adding.add_up(Gathering(arrivals).groups, self.services, self.zones, self.meters, log=1)


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
            return max((bucket.high for bucket in buckets if bucket.high is not None), default=Decimal(0))
        case Aggregation.MIN:
            return min((bucket.low for bucket in buckets if bucket.low is not None), default=Decimal(0))
        case Aggregation.LATEST:
            return max((bucket.last for bucket in buckets if bucket.last), default=(start, b"", Decimal(0)))[2]
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
def test_groups_are_kept_apart_and_nothing_is_lost_between_them(used: list[tuple[int, str, str | None]]) -> None:
    ours = meter(group_by=["region"])
    arrivals = [
        arrival(START + timedelta(minutes=at), f"u{n}", quantity=text, dimensions={"region": region} if region else {})
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


# -- hours -------------------------------------------------------------------------------------------------------------


def hours_of(zone: ZoneInfo, first: date, after: date) -> list[datetime]:
    """The civil hours that begin in some days, found by looking at every quarter."""
    quarters = (midnight(after, zone) - midnight(first, zone)) // QUARTER
    return sorted({civil_hour(midnight(first, zone) + n * QUARTER, zone) for n in range(quarters)})


def test_an_october_that_repeats_an_hour_has_745_of_them() -> None:
    assert len(hours_of(ROME, date(2026, 10, 1), date(2026, 11, 1))) == 745
    day = [f"{hour.astimezone(ROME):%H}" for hour in hours_of(ROME, date(2026, 10, 25), date(2026, 10, 26))]
    assert (len(day), day[:5]) == (25, ["00", "01", "02", "02", "03"])
    assert len(hours_of(ROME, date(2026, 3, 1), date(2026, 4, 1))) == 743


def test_half_an_hour_that_is_repeated_or_skipped_is_an_hour_of_its_own_or_a_short_one() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    assert len(hours_of(zone, date(2026, 4, 5), date(2026, 4, 6))) == 25
    assert len(hours_of(zone, date(2026, 10, 4), date(2026, 10, 5))) == 24
    assert midnight(date(2026, 4, 6), zone) - midnight(date(2026, 4, 5), zone) == timedelta(hours=24, minutes=30)


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
    alike = (clock.date(), clock.hour, clock.utcoffset()) == (another.date(), another.hour, another.utcoffset())
    assert (civil_hour(at, zone) == civil_hour(other, zone)) is alike


# -- blocks ------------------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.integers(1, 2**31 - 1), st.lists(st.binary(max_size=40), min_size=1, max_size=5), min_size=1, max_size=6
    )
)
def test_each_tenants_events_come_out_of_a_block_as_they_went_in(raws: dict[int, list[bytes]]) -> None:
    block = pack(raws, START, NOON)
    assert (block.first_at, block.last_at) == (START, NOON)
    assert dict(zip(block.tenants, block.ns, strict=True)) == {tenant: len(found) for tenant, found in raws.items()}
    assert dict(unpack(block.events, block.tenants, block.ns, raws)) == raws
    for tenant, found in raws.items():
        assert list(unpack(block.events, block.tenants, block.ns, {tenant})) == [(tenant, found)]
    assert list(unpack(block.events, block.tenants, block.ns, {0})) == []


# -- meters ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dimensions", "passes"),
    [
        ({"region": "eu", "tier": "gold"}, True), ({"region": "it", "tier": "gold", "more": "x"}, True),
        ({"region": "us", "tier": "gold"}, False), ({"region": "eu"}, False), ({}, False),
        ({"region": "EU", "tier": "gold"}, False),
    ],
)  # fmt: skip
def test_a_filter_wants_every_dimension_with_one_of_its_values(dimensions: dict[str, str], passes: bool) -> None:
    version = MeterVersion(meter(filter={"region": ["eu", "it"], "tier": ["gold"]}), 1, START)
    assert version.passes(dimensions) is passes
    assert MeterVersion(meter(), 1, START).passes(dimensions)


@pytest.mark.parametrize(
    ("dimensions", "group"),
    [
        ({"region": "eu", "tier": "gold", "more": "x"}, (("region", "eu"), ("tier", "gold"))),
        ({"tier": "gold"}, (("region", ""), ("tier", "gold"))), ({}, (("region", ""), ("tier", ""))),
    ],
)  # fmt: skip
def test_a_group_is_each_dimension_by_name_and_empty_where_there_is_none(
    dimensions: dict[str, str], group: tuple[tuple[str, str], ...]
) -> None:
    for order in (["region", "tier"], ["tier", "region"]):
        assert MeterVersion(meter(group_by=order), 1, START).group(dimensions) == group


def test_the_latest_version_that_counts_by_then_is_in_force_and_before_all_of_them_the_first() -> None:
    days = [NOON + timedelta(days=n) for n in (0, 10, 5)]
    versions = [MeterVersion(meter(), n, day) for n, day in enumerate(days, 1)]
    for found in (Meters(versions), Meters(reversed(versions))):
        at = [NOON + timedelta(days=n) for n in (-1, 0, 4, 5, 10, 99)]
        assert [found.in_force("calls", instant).version for instant in at] == [1, 1, 1, 3, 3, 3]
        assert (found.latest("calls").version, "calls" in found, "orders" in found) == (3, True, False)


def test_versions_that_change_within_a_quarter_share_its_events_by_the_instant() -> None:
    change = NOON + timedelta(minutes=7)
    versions = [MeterVersion(meter(), 1, START), MeterVersion(meter(Aggregation.MAX), 2, change)]
    sold = Sold(Meters(versions))
    assert sold.meters.changes_within("calls", NOON, NOON + QUARTER)
    assert not sold.meters.changes_within("calls", change, change + QUARTER)
    at = [NOON, change - timedelta(microseconds=1), change, NOON + timedelta(minutes=14)]
    found = sold.sums([arrival(instant, f"u{n}", quantity=str(n + 1)) for n, instant in enumerate(at)])
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


NO_NUMBERS = ["", "doc", "-1", "1e3", "NaN", "Infinity", "1_0", " 1", "1\n", "١", "1.", "9" * 27, "0." + "1" * 13]


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
)  # fmt: skip
def test_what_is_measured_is_what_the_meter_asks_for(
    kind: Aggregation, more: dict[str, Any], data: dict[str, Any], found: str | None
) -> None:
    version, event = MeterVersion(meter(kind, **more), 1, START), arrival(**data)
    reading = Reading(("calls",), (), None)
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
    reading = Reading(("calls",), ("pages", "tier"), None)
    for at, tier, found in [(NOON - timedelta(minutes=1), "gold", True), (NOON, "silver", True), (NOON, "gold", False)]:
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


# -- judging -----------------------------------------------------------------------------------------------------------

READINGS: Mapping[str, Reading] = {
    "calls": Reading(("calls",), (), "quantity"), "orders": Reading(("orders",), (), "value"),
    "pings": Reading(("pings",), (), "anything"), "mixed": Reading(("a", "b"), ("pages",), None),
}  # fmt: skip
LIVE = Service(SERVICE, TENANT, NOON - timedelta(days=10), READINGS)
WINDOW = Window(NOON - timedelta(days=35), NOON + timedelta(minutes=5), revision=3)
LONG_AGO = Service(SERVICE, TENANT, NOON - timedelta(days=99), READINGS)


def likeness(event: Arrival) -> Likeness:
    [alike] = Gathering([event]).groups
    return alike


def verdict_of(event: Arrival, service: Service | None) -> str | None:
    told = judge(likeness(event), service, WINDOW)
    return judge_time(event.at, service, WINDOW) if told is None and service else told


@pytest.mark.parametrize(
    ("event", "service", "verdict"),
    [
        (arrival(quantity="1"), LIVE, None),
        (arrival(quantity="1"), None, WAITS),
        (read(usage(tenant="another", quantity="1"), 7), LIVE, "wrong_tenant"),
        (arrival(quantity="1", meter="unknown"), LIVE, "meter_unknown"),
        (arrival(value="1"), LIVE, "wrong_value"),
        (arrival(quantity="1", meter="orders"), LIVE, "wrong_value"),
        (arrival(value="1", meter="orders"), LIVE, None),
        (arrival(value="1", meter="pings"), LIVE, None),
        (arrival(quantity="1", meter="mixed"), LIVE, None),
        (arrival(WINDOW.latest, quantity="1"), LIVE, None),
        (arrival(WINDOW.latest + timedelta(microseconds=1), quantity="1"), LIVE, "in_future"),
        (arrival(WINDOW.earliest, quantity="1"), LONG_AGO, None),
        (arrival(WINDOW.earliest - timedelta(microseconds=1), quantity="1"), LONG_AGO, "too_late"),
        (arrival(LIVE.activated_at, quantity="1"), LIVE, None),
        (arrival(LIVE.activated_at - timedelta(microseconds=1), quantity="1"), LIVE, "before_activation"),
    ],
)
def test_an_event_counts_or_waits_or_is_told_why_not(
    event: Arrival, service: Service | None, verdict: str | None
) -> None:
    assert verdict_of(event, service) == verdict


@given(st.integers(-40 * 96, 96), st.integers(0, 899_999_999), st.integers(-40, 0))
def test_a_quarter_that_is_in_time_is_in_time_at_every_instant(
    quarters: int, microseconds: int, activated: int
) -> None:
    starts = start_of(quarter_of(NOON) + quarters)
    service = Service(SERVICE, TENANT, NOON + timedelta(days=activated, minutes=7), READINGS)
    if WINDOW.covers(starts, service):
        assert judge_time(starts + timedelta(microseconds=microseconds), service, WINDOW) is None


@given(INSTANTS)
def test_an_instant_lies_in_its_quarter(at: datetime) -> None:
    assert start_of(quarter_of(at)) <= at < start_of(quarter_of(at)) + QUARTER


def test_a_name_that_the_door_may_know_from_a_newer_catalogue_waits_for_it() -> None:
    event = arrival(quantity="1", meter="unknown")
    verdicts = [
        judge(likeness(event), LIVE, Window(WINDOW.earliest, WINDOW.latest, revision)) for revision in (2, 3, 4)
    ]
    assert verdicts == [WAITS, "meter_unknown", "meter_unknown"]
