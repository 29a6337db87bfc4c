"""What an order item makes of a service instance that is there: other quantities, or another state."""

from dataclasses import replace

from schemas.orders import ItemAction
from schemas.reasons import Reason
from services.onboarding.domain.model import Item, ServiceInstance
from services.onboarding.domain.orders import OrderFault, quantities
from services.onboarding.domain.states import ServiceState

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


def after(service: ServiceInstance, item: Item) -> ServiceInstance:
    """The service instance once the item is done. A state that it is in already is no fault: nothing is left to do.

    Raises `OrderFault`: `ended` for one that is there no more, `unknown_service` for one that is not there yet, and what
    `quantities` raises.
    """
    if service.state in GONE:
        raise OrderFault(Reason.ENDED, "the service instance has ended")
    if service.state not in THERE:
        raise OrderFault(Reason.UNKNOWN_SERVICE, "no such active service instance of this tenant")
    if item.action is ItemAction.CHANGE:
        return replace(
            service, quantities=quantities(service.plan, item.quantities, service.quantities)
        )
    return replace(service, state=STATES[item.action])
