"""What onboarding keeps: tenants, their orders with items, and the service instances that these make."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from schemas.catalogue import Place, Plan
from schemas.orders import ItemAction
from schemas.tenants import OrderState
from services.onboarding.domain.states import ItemState, ServiceState, TenantState


@dataclass(frozen=True, slots=True)
class Tenant:
    """A firm. `reseller_id` is None until one is assigned."""

    id: str
    external_id: str
    language: str
    vertical: str
    place: Place
    state: TenantState
    reseller_id: str | None
    registered_by: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order, and the reseller that its tenant has now."""

    id: str
    tenant_id: str
    reference: str
    state: OrderState
    effective_at: datetime
    accepted_at: datetime
    revision: int
    """The catalogue revision that its door had seen."""
    principal: str | None
    """Who sent it; None for what came through no door."""
    judged_for: str | None
    """The reseller for whose tenant it was found in order."""
    released: bool
    """A person has looked at it: no quota holds it any more."""
    reseller_id: str | None
    preferred: str | None = None
    """The reseller that it names for a firm that has none."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an order. `fault` is a reason code, a colon and a sentence."""

    n: int
    action: ItemAction
    sku: str | None
    service_id: str
    quantities: dict[str, Decimal]
    state: ItemState
    fault: str | None
    begins_at: datetime | None = None
    """When it is begun with, if that is later than the planning of its order."""


@dataclass(frozen=True, slots=True)
class ServiceInstance:
    """A service of a tenant, with its plan as it was sold. The first `steps_done` steps of the plan are made."""

    id: str
    tenant_id: str
    order_id: str
    sku: str
    quantities: dict[str, Decimal]
    plan: Plan
    state: ServiceState
    steps_done: int
    reseller_id: str | None
    suspended_because: str | None = None
    """A code; None while it is not suspended."""
    state_since: datetime | None = None
    """From when on it is suspended, or serves again; None: it never was suspended."""

    def next_state_at(self, at: datetime) -> datetime:
        """From when on it is in its next state, asked for from an instant on: never before it came into this one."""
        return at if self.state_since is None else max(at, self.state_since)
