"""What an order asks for is checked whole; an order has come to its end exactly when all its items have."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Plan
from schemas.tenants import OrderState
from services.onboarding.domain.orders import OrderFault, Sellable, quantities, settled
from services.onboarding.domain.states import ItemState
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
    assert caught.value.reason == "unknown_sku"


def test_components_that_are_not_sold_not_whole_or_fixed_are_refused() -> None:
    assert reason_of({"extra_usr": "1"}) == "unknown_quantity"
    assert reason_of({"extra_user": "1.5"}) == "quantity_not_whole"
    assert reason_of({"base": "2"}) == "quantity_fixed"


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_what_an_order_does_not_mention_stays_as_it_was(before: int, after: int) -> None:
    kept = quantities(ERP, {}, {"base": Decimal(1), "extra_user": Decimal(before)})
    assert kept == {**kept, "base": Decimal(1), "extra_user": Decimal(before)}
    changed = quantities(ERP, {"extra_user": Decimal(after)}, kept)
    assert changed == {**kept, "extra_user": Decimal(after)}


def come_to(items: tuple[ItemState, ...]) -> OrderState | None:
    """What the words say, without the code under test."""
    done, failed = items.count(ItemState.DONE), items.count(ItemState.FAILED)
    if done + failed < len(items):
        return None
    if done == len(items):
        return OrderState.COMPLETED
    return OrderState.PARTIAL if done else OrderState.FAILED


@pytest.mark.parametrize("n", range(1, 6))
def test_an_order_is_partial_exactly_when_some_items_are_done_and_all_others_failed(n: int) -> None:
    for items in product(ItemState, repeat=n):
        assert settled(OrderState.IN_PROGRESS, items) is come_to(items), items
