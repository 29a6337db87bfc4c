"""Every price model is billed as its words say, as a fee and as usage, or refused at the catalogue's door."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.catalogue import PriceModel, RecurringPrice, Timing, UsagePrice
from services.billing.domain.periods import month_of
from services.billing.domain.price_models import MODELS, parts_of
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change
from services.billing.domain.recurring import Billed, component, recurring_charges
from services.gateway.operator_requests import CatalogueSpec
from tests.support.catalogue import CATALOGUE, PLANS

NOVEMBER = month_of(date(2026, 11, 1))
TIERS = [
    {"up_to": "3", "price": "10"},
    {"up_to": "7", "price": "8.55"},
    {"up_to": None, "price": "7.01"},
]
SAID: dict[PriceModel, dict[str, Any]] = {
    PriceModel.PER_UNIT: {"price": "24.95"},
    PriceModel.GRADUATED: {"tiers": TIERS},
    PriceModel.VOLUME: {"tiers": TIERS},
    PriceModel.PACKAGE: {"price": "3.10", "package_size": "4"},
    PriceModel.PERCENTAGE: {"price": "1.5"},
}  # fmt: skip
FEE = {"meter": "seat", "code": "seat", "label": "Posto", "unit": "posto", "singular": "posto", "plural": "posti",
       "timing": Timing.ARREARS}  # fmt: skip
USE = {"meter": "api_calls", "code": "calls", "label": "Chiamate", "unit": "n"}


def exact(model: PriceModel, units: int) -> Fraction:
    """What so many units cost, worked out in another way: each unit by itself, as a fraction."""
    tier = (
        [Fraction(1000, 100)] * 3 + [Fraction(855, 100)] * 4 + [Fraction(701, 100)] * max(0, units)
    )
    match model:
        case PriceModel.PER_UNIT:
            return units * Fraction(2495, 100)
        case PriceModel.GRADUATED:
            return sum(tier[:units], Fraction(0))
        case PriceModel.VOLUME:
            return units * tier[units - 1] if units else Fraction(0)
        case PriceModel.PACKAGE:
            return -(-units // 4) * Fraction(310, 100)
        case PriceModel.PERCENTAGE:
            return units * Fraction(15, 1000)


def cents(amount: Fraction) -> Decimal:
    return Decimal(int(amount * 100 + Fraction(1, 2))).scaleb(-2)


def is_sold(kind: str, price: dict[str, Any]) -> bool:
    """Whether the catalogue's door takes a plan with this price."""
    plan = PLANS["CRM-TEAM"].model_dump(mode="json")
    plan[kind] = [price, *(one for one in plan[kind] if one["meter"] != price["meter"])]
    try:
        CatalogueSpec.model_validate({**CATALOGUE, "plans": [plan]})
    except ValidationError:
        return False
    return True


def test_every_model_is_in_the_table() -> None:
    assert set(MODELS) == set(PriceModel) == set(SAID)
    assert all((model.layers is None) != (model.whole is None) for model in MODELS.values())


@pytest.mark.parametrize("model", PriceModel)
@given(st.integers(0, 40))
def test_the_parts_of_a_quantity_cost_what_its_units_do(model: PriceModel, units: int) -> None:
    price = UsagePrice.model_validate({**USE, "model": model, **SAID[model]})
    parts = parts_of(price, Decimal(units))
    assert sum((Fraction(part.units) * Fraction(part.each) for part in parts), Fraction(0)) == exact(model, units)  # fmt: skip


@pytest.mark.parametrize("model", PriceModel)
def test_usage_is_sold_by_every_model_and_billed_so(model: PriceModel) -> None:
    said = {**USE, "model": model, **SAID[model]}
    assert is_sold("usage", said)
    charges = usage_charges(
        PLANS["CRM-TEAM"], UsagePrice.model_validate(said), Decimal(19), Decimal(0), NOVEMBER
    )
    assert sum(charge.net for charge in charges) == cents(exact(model, 19))


LEVELS = st.lists(st.integers(0, 11), min_size=30, max_size=30)


@pytest.mark.parametrize("model", PriceModel)
@given(st.lists(LEVELS, min_size=1, max_size=3))
def test_a_fee_of_any_model_is_refused_or_costs_its_days_in_whatever_order_facts_come(
    model: PriceModel, told: list[list[int]]
) -> None:
    """The oracle adds up the days of the last quantities told; each run knows only what was told before it."""
    said = {**FEE, "model": model, **SAID[model]}
    if not is_sold("recurring", said):
        return
    plan = PLANS["CRM-TEAM"].model_copy(
        update={"recurring": (RecurringPrice.model_validate(said),)}
    )
    name = component(plan, plan.recurring[0])
    billed: list[Billed] = []
    for levels in told:
        timeline = [
            Change(day, {"seat": Decimal(n)}) for day, n in zip(NOVEMBER, levels, strict=True)
        ]
        charges = recurring_charges(plan, timeline, {name: billed}, NOVEMBER.end)
        billed += [Billed(charge.days, charge.units_billed, charge.net) for charge in charges]
        assert sum(row.net for row in billed) == cents(
            sum((exact(model, n) for n in levels), Fraction(0)) / 30
        )
        for n, day in enumerate(NOVEMBER):
            units = sum(row.units for row in billed if row.days.start <= day < row.days.end)
            assert units == levels[n], f"units billed for {day}"
        assert recurring_charges(plan, timeline, {name: billed}, NOVEMBER.end) == []


@pytest.mark.parametrize("model", PriceModel)
def test_which_fees_are_refused(model: PriceModel) -> None:
    said = {**FEE, "model": model, **SAID[model]}
    refused = {PriceModel.PACKAGE, PriceModel.PERCENTAGE}
    assert is_sold("recurring", said) == (model not in refused)


def test_a_graduated_fee_has_a_line_for_each_tier_and_one_more_seat_leaves_the_others_alone() -> (
    None
):
    said = {**FEE, "model": PriceModel.GRADUATED, "tiers": TIERS, "timing": Timing.ADVANCE}
    plan = PLANS["CRM-TEAM"].model_copy(
        update={"recurring": (RecurringPrice.model_validate(said),)}
    )
    five = [Change(NOVEMBER.start, {"seat": Decimal(5)})]
    first = recurring_charges(plan, five, {}, NOVEMBER.start)
    assert [(one.description, int(one.quantity), str(one.net)) for one in first] == [
        ("Posto 1-3", 3, "30.00"), ("Posto 4-7", 2, "17.10"),
    ]  # fmt: skip
    billed = [Billed(one.days, one.units_billed, one.net) for one in first]
    six = [*five, Change(date(2026, 11, 16), {"seat": Decimal(6)})]
    (more,) = recurring_charges(
        plan, six, {component(plan, plan.recurring[0]): billed}, NOVEMBER.start
    )
    assert (more.description, str(more.net)) == (
        "Posto 4-7 - pro rata 1 posto dal 16/11 (15/30 gg)",
        "4.28",
    )


@pytest.mark.parametrize(("percent", "sold"), [("100", True), ("100.01", False)])
def test_nobody_pays_more_than_all_of_it(percent: str, sold: bool) -> None:
    assert is_sold("usage", {**USE, "model": "percentage", "price": percent}) == sold
