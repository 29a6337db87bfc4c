"""What an item makes of a service that is there, for every action and every state it may be in."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from schemas.catalogue import Plan
from schemas.identity import OPERATOR, SPENDING_CAP
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


def bounded(because: str) -> ServiceInstance:
    return replace(SERVICE, state=ServiceState.SUSPENDED, suspended_because=because)


def test_what_a_cap_suspended_only_the_cap_resumes() -> None:
    at_cap = bounded("cap_reached")
    for who in (None, "VAR-1", OPERATOR):
        with pytest.raises(OrderFault) as fault:
            after(at_cap, item(ItemAction.RESUME), who)
        assert fault.value.reason == Reason.CAP_REACHED
    resumed = after(at_cap, item(ItemAction.RESUME), SPENDING_CAP)
    assert (resumed.state, resumed.suspended_because) == (ServiceState.ACTIVE, None)


@pytest.mark.parametrize("because", ["requested", "operator"])
def test_what_somebody_suspended_no_cap_resumes(because: str) -> None:
    asked = bounded(because)
    assert after(asked, item(ItemAction.RESUME), SPENDING_CAP) == asked
    assert after(asked, item(ItemAction.SUSPEND), SPENDING_CAP) == asked
    assert after(asked, item(ItemAction.RESUME), "VAR-1").state is ServiceState.ACTIVE


def test_who_wants_it_suspended_while_a_cap_does_keeps_it_so_in_the_new_month() -> None:
    asked = after(bounded("cap_reached"), item(ItemAction.SUSPEND), "VAR-1")
    assert asked.suspended_because == "requested"
    assert after(asked, item(ItemAction.RESUME), SPENDING_CAP).state is ServiceState.SUSPENDED


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
