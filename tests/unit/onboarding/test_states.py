"""Orders, items, services and tenants move only as their tables say, and the database knows the same states."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tenants import OrderState
from services import onboarding
from services.onboarding.domain.states import (
    ITEM_MOVES,
    ORDER_MOVES,
    SERVICE_MOVES,
    TENANT_MOVES,
    IllegalMove,
    ItemState,
    ServiceState,
    TenantState,
    move,
)

SCHEMA = Path(onboarding.__file__).with_name("schema.sql").read_text(encoding="utf-8")
TABLES: dict[str, Any] = {
    "service_order": (
        OrderState, ORDER_MOVES, {OrderState.ACKNOWLEDGED, OrderState.HELD, OrderState.FAILED},
        {OrderState.COMPLETED, OrderState.PARTIAL, OrderState.FAILED, OrderState.CANCELLED},
    ),
    "order_item": (ItemState, ITEM_MOVES, {ItemState.PENDING}, {ItemState.DONE, ItemState.FAILED}),
    "service_instance": (
        ServiceState, SERVICE_MOVES, {ServiceState.PROVISIONING}, {ServiceState.REMOVED, ServiceState.FAILED},
    ),
    "tenant": (TenantState, TENANT_MOVES, {TenantState.ONBOARDING}, {TenantState.ACTIVE}),
}  # fmt: skip
"""By table of the database: its states, their moves, where a life may begin and where it ends."""

named = pytest.mark.parametrize("table", TABLES)


@named
def test_the_database_knows_the_states_that_the_code_knows(table: str) -> None:
    found = re.search(
        rf"CONSTRAINT {table}_state_check CHECK \(\(state = ANY \(ARRAY\[(.*?)\]", SCHEMA
    )
    assert found is not None
    assert set(re.findall(r"'(\w+)'", found[1])) == {str(state) for state in TABLES[table][0]}


@named
def test_every_state_can_be_reached_and_leads_to_an_end(table: str) -> None:
    states, moves, first, last = TABLES[table]
    assert set(moves) == set(states)
    reached, leads_to_end = set(first), set(last)
    for _ in states:
        reached |= {after for before in reached for after in moves[before]}
        leads_to_end |= {before for before in states if moves[before] & leads_to_end}
    assert reached == set(states)
    assert leads_to_end == set(states)
    assert {state for state in states if not moves[state]} == last


@named
@given(data=st.data())
def test_a_life_follows_the_table_whatever_is_asked_of_it(table: str, data: st.DataObject) -> None:
    states, moves, first, _ = TABLES[table]
    state = data.draw(st.sampled_from(sorted(first)))
    for wanted in data.draw(st.lists(st.sampled_from(list(states)), max_size=8)):
        if wanted in moves[state]:
            state = move(moves, state, wanted)
            assert state is wanted
        else:
            with pytest.raises(IllegalMove, match=f"{wanted} may not follow {state}"):
                move(moves, state, wanted)
