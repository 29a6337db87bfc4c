"""What an item makes of a service that is there, for every action and every state it may be in."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from schemas.catalogue import Plan
from schemas.orders import ItemAction
from schemas.reasons import Reason
from services.local.demo.world import catalogue
from services.onboarding.domain.changes import after
from services.onboarding.domain.model import Item, ServiceInstance
from services.onboarding.domain.orders import OrderFault
from services.onboarding.domain.states import SERVICE_MOVES, ItemState, ServiceState

PLAN = next(
    Plan.model_validate(plan)
    for plan in catalogue("http://127.0.0.1:1")["plans"]
    if plan["sku"] == "MAIL-STD"
)
SERVICE = ServiceInstance(
    "s", "t", "o", PLAN.sku, {"mailbox": Decimal(12)}, PLAN, ServiceState.ACTIVE, 1, "VAR"
)
ACTIONS = [action for action in ItemAction if action is not ItemAction.ADD]


def item(action: ItemAction) -> Item:
    asked = {"mailbox": Decimal(13)} if action is ItemAction.CHANGE else {}
    return Item(0, action, None, "s", asked, ItemState.PENDING, None)


@pytest.mark.parametrize(("action", "state"), product(ACTIONS, ServiceState))
def test_an_item_is_refused_with_its_reason_or_leads_where_the_states_lead(
    action: ItemAction, state: ServiceState
) -> None:
    service = replace(SERVICE, state=state)
    if state in (ServiceState.ACTIVE, ServiceState.SUSPENDED):
        found = after(service, item(action))
        assert found.state is state or found.state in SERVICE_MOVES[state]
        assert (found.quantities["mailbox"] == 13) == (action is ItemAction.CHANGE)
        return
    with pytest.raises(OrderFault) as fault:
        after(service, item(action))
    was_there = state in (ServiceState.ENDED, ServiceState.REMOVED)
    assert fault.value.reason == (Reason.ENDED if was_there else Reason.UNKNOWN_SERVICE)
