"""Money, time and quantity: worked rules, and what must hold for any of them."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Aggregation, RecurringPrice, Tier, Timing
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.charges import prorated
from services.billing.domain.money import half_up, spread
from services.billing.domain.periods import Days, anchored, civil_day, hours, midnight, month_of
from services.billing.domain.price_models import packages, volume_price
from services.billing.domain.quantities import Change
from services.billing.domain.recurring import (
    Billed,
    component,
    rectangles,
    recurring_charges,
)
from tests.support.catalogue import PLANS, ROME
from tests.support.oracles import aggregate

RULES = json.loads((Path(__file__).parent / "rules.json").read_text())


@pytest.mark.parametrize("case", RULES["kill_bill_documented"], ids=lambda case: case["expected"])
def test_a_published_proration_comes_out(case: dict[str, Any]) -> None:
    days = Days(date.fromisoformat(case["frm"]), date.fromisoformat(case["to"]))
    assert len(days) == case["days"]
    assert half_up(
        prorated(Decimal(case["price"]), Decimal(1), len(days), case["period"])[1]
    ) == Decimal(case["expected"])


@pytest.mark.parametrize(
    ("price", "part", "whole", "net"),
    [("24.95", 22, 30, "18.30"), ("24.95", 25, 30, "20.79"), ("17.95", 20, 30, "11.97")],
)
def test_more_published_prorations_come_out(price: str, part: int, whole: int, net: str) -> None:
    assert half_up(prorated(Decimal(price), Decimal(1), part, whole)[1]) == Decimal(net)


def test_halves_are_rounded_away_from_zero() -> None:
    case = RULES["rounding"][0]
    assert half_up(Decimal(case["imponibile"]) * 22 / 100) == Decimal(case["half_up"])
    assert half_up(Decimal("-2.805")) == Decimal("-2.81")


def test_boundaries_follow_from_the_original_anchor() -> None:
    monthly = RULES["anchors"]["monthly_from_2026_01_31"]
    assert [str(anchored(date(2026, 1, 31), k)) for k in range(len(monthly))] == monthly
    yearly = RULES["anchors"]["yearly_from_2028_02_29"]
    assert [str(anchored(date(2028, 2, 29), 12 * k)) for k in range(len(yearly))] == yearly


@pytest.mark.parametrize("case", RULES["dst"], ids=lambda case: case["month"])
def test_a_month_has_its_true_hours(case: dict[str, str]) -> None:
    month = month_of(date.fromisoformat(case["month"] + "-01"))
    assert hours(month, ROME) == int(case["hours"])
    assert midnight(month.start, ROME) == datetime.fromisoformat(case["start_utc"])
    assert midnight(month.end, ROME) == datetime.fromisoformat(case["end_utc"])


@pytest.mark.parametrize("case", RULES["usage_window"], ids=lambda case: case["event_time_utc"])
def test_an_instant_belongs_to_its_civil_month(case: dict[str, str]) -> None:
    day = civil_day(datetime.fromisoformat(case["event_time_utc"]), ROME)
    assert f"{day:%Y-%m}" == case["billing_month"]


TIERS = (
    Tier(up_to=Decimal(100), price=Decimal(0)), Tier(up_to=Decimal(500), price=Decimal("0.08")),
    Tier(up_to=None, price=Decimal("0.05")),
)  # fmt: skip


@given(st.integers(1, 100_000), st.integers(1, 5000))
def test_packages_are_whole_and_just_enough(quantity: int, size: int) -> None:
    n = packages(Decimal(quantity), Decimal(size))
    assert (n - 1) * size < quantity <= n * size


NOVEMBER = month_of(date(2026, 11, 1))
LEVELS = st.lists(st.integers(0, 9), min_size=30, max_size=30)


@given(LEVELS)
def test_rectangles_cover_exactly_what_they_were_cut_from(levels: list[int]) -> None:
    daily = [Days(day, day + timedelta(days=1)) for day in NOVEMBER]
    pieces = rectangles(lambda day: Decimal(levels[day.day - 1]), daily)
    for n in range(30):
        day = NOVEMBER.start + timedelta(days=n)
        assert sum(p.units for p in pieces if p.days.start <= day < p.days.end) == levels[n]


@given(LEVELS)
def test_what_is_billed_in_the_end_is_what_every_day_costs(levels: list[int]) -> None:
    plan = PLANS["VOIP-PBX"]
    timeline = [
        Change(NOVEMBER.start + timedelta(days=n), {"extension": Decimal(level)})
        for n, level in enumerate(levels)
    ]
    charges = recurring_charges(plan, timeline, {}, NOVEMBER.end)
    exact = Decimal("7.50") * sum(levels) / 30
    assert abs(sum(charge.net for charge in charges) - exact) <= Decimal("0.005") * len(charges)


@given(LEVELS, LEVELS)
def test_a_correction_brings_the_billed_quantity_to_the_wanted_one(
    before: list[int], after: list[int]
) -> None:
    plan = PLANS["VOIP-PBX"]

    def timeline(levels: list[int]) -> list[Change]:
        return [
            Change(NOVEMBER.start + timedelta(days=n), {"extension": Decimal(x)})
            for n, x in enumerate(levels)
        ]

    first = recurring_charges(plan, timeline(before), {}, NOVEMBER.end)
    billed = [Billed(charge.days, charge.units_billed, charge.net) for charge in first]
    second = recurring_charges(plan, timeline(after), {"VOIP-PBX/extension": billed}, NOVEMBER.end)
    billed += [Billed(charge.days, charge.units_billed, charge.net) for charge in second]
    assert (
        recurring_charges(plan, timeline(after), {"VOIP-PBX/extension": billed}, NOVEMBER.end) == []
    )


SEATS = PLANS["CRM-TEAM"]
ODD = RecurringPrice.model_validate(
    {"meter": "seat", "code": "odd", "label": "Posto", "unit": "posto", "singular": "posto", "plural": "posti",
     "timing": "arrears", "price": "24.95"}
)  # fmt: skip


def seats(levels: list[int]) -> list[Change]:
    return [Change(day, {"seat": Decimal(n)}) for day, n in zip(NOVEMBER, levels, strict=True)]


@given(st.lists(LEVELS, min_size=1, max_size=4), st.booleans())
def test_in_whatever_order_facts_come_a_month_costs_its_amount_rounded_once(
    told: list[list[int]], by_volume: bool
) -> None:
    """The oracle adds up every seat and day as a fraction; each run knows only what was told before it."""
    volume = SEATS.recurring[0].model_copy(update={"timing": Timing.ARREARS})
    plan = SEATS.model_copy(update={"recurring": (volume if by_volume else ODD,)})
    name = component(plan, plan.recurring[0])
    billed: list[Billed] = []
    for levels in told:
        charges = recurring_charges(plan, seats(levels), {name: billed}, NOVEMBER.end)
        for charge in charges:
            exact = Fraction(charge.unit_price) * Fraction(charge.quantity)
            assert abs(exact - Fraction(charge.net)) <= Fraction(2, 100)
        billed += [Billed(charge.days, charge.units_billed, charge.net) for charge in charges]
        each = {n: Fraction(volume_price(volume.tiers, Decimal(n))) for n in range(1, 10)}
        daily = sum((each[n] if by_volume else Fraction("24.95")) * n for n in levels if n)
        cents = Fraction(daily, 30) * 100
        wanted = int(cents + Fraction(1, 2))
        assert sum(row.net for row in billed) * 100 == wanted


def test_two_components_of_one_quantity_are_billed_each_for_itself() -> None:
    support = ODD.model_copy(update={"code": "support", "price": Decimal("2.00")})
    plan = SEATS.model_copy(update={"recurring": (ODD, support)})
    billed: dict[str, list[Billed]] = {}
    for boundary in (NOVEMBER.end, date(2027, 1, 1), date(2027, 2, 1)):
        charges = recurring_charges(
            plan, [Change(NOVEMBER.start, {"seat": Decimal(5)})], billed, boundary
        )
        assert [str(charge.net) for charge in charges] == ["124.75", "10.00"]
        for charge in charges:
            row = Billed(charge.days, charge.units_billed, charge.net)
            billed.setdefault(charge.component, []).append(row)


def test_a_fact_of_years_ago_is_billed() -> None:
    plan = SEATS.model_copy(update={"recurring": (ODD,)})
    one = [Change(date(2023, 1, 1), {"seat": Decimal(1)})]
    first = recurring_charges(plan, one, {}, NOVEMBER.end)
    billed = [Billed(charge.days, charge.units_billed, charge.net) for charge in first]
    two = [
        Change(date(2023, 1, 1), {"seat": Decimal(2)}),
        Change(date(2023, 2, 1), one[0].quantities),
    ]
    (late,) = recurring_charges(plan, two, {component(plan, ODD): billed}, NOVEMBER.end)
    assert (str(late.net), late.days) == ("24.95", month_of(date(2023, 1, 1)))


@given(
    st.lists(st.decimals("-100", "100", places=5), min_size=1, max_size=9),
)
def test_lines_sum_to_the_total_and_none_is_two_cents_off(exact: list[Decimal]) -> None:
    nearest = half_up(sum(exact, Decimal(0)))
    nets = spread(exact, nearest)
    assert sum(nets) == nearest
    assert all(
        abs(net - amount) <= Decimal("0.015") for net, amount in zip(nets, exact, strict=True)
    )


@given(st.integers(1, 31), st.integers(0, 10**17), st.integers(1, 10**12))
def test_no_digit_is_lost_on_the_way_to_the_cent(part: int, price: int, quantity: int) -> None:
    each, units = Decimal(price).scaleb(-2), Decimal(quantity).scaleb(-12)
    exact = Fraction(each) * Fraction(units) * part / 31
    net = half_up(prorated(each, units, part, 31)[1])
    assert Fraction(net) == Fraction(int(exact * 100 + Fraction(1, 2)), 100)


def test_more_seats_credit_the_old_ones_at_their_old_price_and_charge_all_at_the_new() -> None:
    plan = PLANS["CRM-TEAM"]
    four = [Change(NOVEMBER.start, {"seat": Decimal(4)})]
    first = recurring_charges(plan, four, {}, NOVEMBER.start)
    billed = {
        "CRM-TEAM/seat": [Billed(charge.days, charge.units_billed, charge.net) for charge in first]
    }
    ten = [*four, Change(date(2026, 11, 16), {"seat": Decimal(10)})]
    again = recurring_charges(plan, ten, billed, NOVEMBER.start)
    assert [(int(c.quantity), str(c.net)) for c in again] == [(4, "-48.00"), (10, "90.00")]


START = datetime(2026, 11, 1, tzinfo=UTC)
SAMPLES = st.lists(
    st.tuples(st.integers(0, 239), st.integers(0, 1000)),
    max_size=12,
    unique_by=lambda pair: pair[0],
)


@given(SAMPLES, st.integers(0, 50))
def test_a_time_weighted_average_is_what_counting_hour_by_hour_gives(
    pairs: list[tuple[int, int]], before: int
) -> None:
    samples = [
        Sample(START + timedelta(hours=h), str(h), Decimal(level)) for h, level in sorted(pairs)
    ]
    levels, level = [], before
    for hour in range(240):
        level = dict(pairs).get(hour, level)
        levels.append(level)
    found = time_weighted(samples, Decimal(before), START, START + timedelta(hours=240), 6)
    assert found == half_up(Decimal(sum(levels)) / 240, Decimal("0.000001"))


@given(
    st.permutations(
        [Sample(START + timedelta(hours=h), str(h), Decimal(h), f"v{h % 4}") for h in range(8)]
    )
)
def test_the_order_of_arrival_does_not_matter(samples: list[Sample]) -> None:
    end = START + timedelta(hours=24)
    wanted = {
        Aggregation.SUM: 28, Aggregation.COUNT: 8, Aggregation.MAX: 7, Aggregation.MIN: 0, Aggregation.LATEST: 7,
        Aggregation.UNIQUE_COUNT: 4,
    }  # fmt: skip
    for kind, quantity in wanted.items():
        assert aggregate(kind, samples, start=START, end=end) == quantity
