"""What an order item makes of a service instance that is there: other quantities, or another state."""

from dataclasses import replace

from schemas.identity import OPERATOR, SPENDING_CAP
from schemas.orders import ItemAction
from schemas.reasons import Reason
from services.onboarding.domain.model import Item, ServiceInstance
from services.onboarding.domain.orders import OrderFault, quantities
from services.onboarding.domain.states import ServiceState

AT_CAP = Reason.CAP_REACHED.value
THERE = frozenset({ServiceState.ACTIVE, ServiceState.SUSPENDED})
"""States in which a service instance can be changed."""

GONE = frozenset({ServiceState.ENDED, ServiceState.REMOVED})
"""States after which no other order counts."""

STATES = {
    ItemAction.SUSPEND: ServiceState.SUSPENDED,
    ItemAction.RESUME: ServiceState.ACTIVE,
    ItemAction.END: ServiceState.ENDED,
}
"""The state that each action leads to; a change of quantities leads to none."""


def why_suspended(principal: str | None) -> str:
    """The code of why a service is suspended by somebody's order, or ended."""
    return {OPERATOR: "operator", SPENDING_CAP: AT_CAP}.get(principal or "", "requested")


def after(service: ServiceInstance, item: Item, principal: str | None = None) -> ServiceInstance:
    """The service instance once the item is done. A state that it is in already is no fault: nothing is left to do.

    What somebody suspended, a cap with room does not resume. Raises `OrderFault`: `ended` for one that is there no more,
    `unknown_service` for one that is not there yet, `cap_reached` for one that a cap suspended and somebody else would
    resume, and what `quantities` raises.
    """
    if service.state in GONE:
        raise OrderFault(Reason.ENDED, "the service instance has ended")
    if service.state not in THERE:
        raise OrderFault(Reason.UNKNOWN_SERVICE, "no such active service instance of this tenant")
    if item.action is ItemAction.CHANGE:
        return replace(
            service, quantities=quantities(service.plan, item.quantities, service.quantities)
        )
    if item.action is ItemAction.RESUME:
        return _resumed(service, principal)
    state = STATES[item.action]
    is_bounded = principal == SPENDING_CAP and service.state is ServiceState.SUSPENDED
    if state is not ServiceState.SUSPENDED or is_bounded:
        return replace(service, state=state)
    return replace(service, state=state, suspended_because=why_suspended(principal))


def _resumed(service: ServiceInstance, principal: str | None) -> ServiceInstance:
    is_at_cap = service.suspended_because == AT_CAP
    if principal == SPENDING_CAP and not is_at_cap:
        return service
    if is_at_cap and principal != SPENDING_CAP:
        raise OrderFault(
            Reason.CAP_REACHED, "its spending cap is reached: raise it, and it serves again"
        )
    return replace(service, state=ServiceState.ACTIVE, suspended_because=None)
