"""What an order asks for is checked whole; an order has come to its end exactly when all its items have."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Plan
from schemas.tenants import OrderState
from services.onboarding.domain.orders import ItemState, OrderFault, Sellable, quantities, settled
from tests.support.catalogue import CATALOGUE

PLANS = {plan["sku"]: Plan.model_validate(plan) for plan in CATALOGUE["plans"]}
ERP = PLANS["ERP-CLOUD"]


def reason_of(ordered: dict[str, str]) -> str:
    with pytest.raises(OrderFault) as caught:
        quantities(ERP, {meter: Decimal(n) for meter, n in ordered.items()})
    return caught.value.reason


def test_a_sku_that_is_not_sold_is_refused() -> None:
    with pytest.raises(OrderFault) as caught:
        Sellable(PLANS).plan("ERP-CLOUDY")
    assert caught.value.reason == "sku_unknown"


def test_components_that_are_not_sold_not_whole_or_fixed_are_refused() -> None:
    assert reason_of({"extra_usr": "1"}) == "quantity_unknown"
    assert reason_of({"extra_user": "1.5"}) == "quantity_not_whole"
    assert reason_of({"base": "2"}) == "quantity_fixed"


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_what_an_order_does_not_mention_stays_as_it_was(before: int, after: int) -> None:
    kept = quantities(ERP, {}, {"base": Decimal(1), "extra_user": Decimal(before)})
    assert kept == {**kept, "base": Decimal(1), "extra_user": Decimal(before)}
    changed = quantities(ERP, {"extra_user": Decimal(after)}, kept)
    assert changed == {**kept, "extra_user": Decimal(after)}


@given(st.lists(st.sampled_from(ItemState), min_size=1, max_size=8))
def test_an_order_is_settled_when_no_item_is_pending_and_failed_when_one_is(items: list[ItemState]) -> None:
    found = settled(items)
    assert (found is None) == (ItemState.PENDING in items)
    assert (found is OrderState.FAILED) == (ItemState.PENDING not in items and ItemState.FAILED in items)
