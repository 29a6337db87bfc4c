"""Tenants: what became of an order, who serves the tenant, and which service instances it has."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.catalogue import Place
from schemas.envelope import Payload
from schemas.orders import Address
from schemas.scalars import (
    CivilDate,
    Currency,
    Instant,
    Key,
    NonNegativeQuantity,
    ShortText,
    Text,
    Uuid,
    Value,
)
from schemas.topics import TENANTS


class OrderState(StrEnum):
    """States of an order, with TMF641's names."""

    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    IN_PROGRESS = "in_progress"
    PENDING_CANCELLATION = "pending_cancellation"
    """It was cancelled while back-ends were at it: what they did is taken back."""
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaxProfile(StrEnum):
    """How a tenant's documents are taxed."""

    ORDINARY = "ordinary"
    """A firm in Italy: IVA at the ordinary rate."""
    SPLIT_PAYMENT = "split_payment"
    """A public body in Italy: it pays the IVA to the state itself."""
    REVERSE_CHARGE_EU = "reverse_charge_eu"
    """A firm elsewhere in the EU: it owes the tax in its own country."""
    EXTRA_EU = "extra_eu"
    """A firm outside the EU."""
    EXEMPT = "exempt"
    """A firm in Italy whose purchases are exempt."""


class TenantRegistered(Payload, type="vicino.tenant.registered.v1", topic=TENANTS):
    """A firm became a tenant. Business-register data only: no person is named."""

    external_id: Key
    name: ShortText
    partita_iva: ShortText
    codice_destinatario: ShortText
    pec: str | None = None
    address: Address
    place: Place
    language: ShortText
    vertical: ShortText
    size_class: ShortText
    timezone: ShortText = "Europe/Rome"
    currency: Currency = "EUR"
    tax_profile: TaxProfile = TaxProfile.ORDINARY


class TaxProfileChanged(Payload, type="vicino.tenant.tax_profile_changed.v1", topic=TENANTS):
    """A tenant's documents are taxed otherwise from a civil day on."""

    tax_profile: TaxProfile
    since: CivilDate


class OrderAcknowledged(Payload, type="vicino.order.acknowledged.v1", topic=TENANTS):
    """An order was understood and will be worked on."""

    order_id: Uuid
    reference: ShortText
    effective_at: Instant


class OrderHeld(Payload, type="vicino.order.held.v1", topic=TENANTS):
    """An order waits for a person; `reason` is a code, `explanation` says what to do."""

    order_id: Uuid
    reference: ShortText
    reason: Key
    explanation: Text


class OrderCompleted(Payload, type="vicino.order.completed.v1", topic=TENANTS):
    """Everything an order asked for is done."""

    order_id: Uuid
    reference: ShortText
    accepted_at: Instant
    """When the door let the order in; with the event's time it gives the time an order took."""


class ItemOutcome(Value):
    """What became of one item of an order."""

    item: int = Field(ge=0)
    service_id: Uuid
    done: bool
    explanation: Text = ""
    """Why it failed: a reason code, a colon, and a sentence."""


class OrderPartiallyCompleted(Payload, type="vicino.order.partially_completed.v1", topic=TENANTS):
    """Some items of an order are done and the others failed. The reseller gets a notification that lists both."""

    order_id: Uuid
    reference: ShortText
    accepted_at: Instant
    reseller_id: Key
    reason: Key
    """The code of the first failure."""
    explanation: Text
    items: tuple[ItemOutcome, ...]


class OrderDelayed(Payload, type="vicino.order.delayed.v1", topic=TENANTS):
    """An order waits for a back-end that refuses or does not answer. It is asked again until it does, or until `gives_up_at`.

    Published once for each item, when it has failed for a minute. The order's next fact ends the wait.
    """

    order_id: Uuid
    reference: ShortText
    reseller_id: Key
    item: int = Field(ge=0)
    service_id: Uuid
    waits_for: tuple[Key, ...]
    """The drivers of the back-ends that are asked."""
    since: Instant
    """When it was first tried."""
    gives_up_at: Instant
    explanation: Text
    """What the last attempt came to."""


class OrderFailed(Payload, type="vicino.order.failed.v1", topic=TENANTS):
    """An order could not be carried out; what had been made for it was taken back."""

    order_id: Uuid
    reference: ShortText
    reason: Key
    explanation: Text
    sender: Key | None = None
    """Who is notified beside the tenant's reseller: the sender of an order for a tenant of another reseller (`not_yours`)."""


class OrderScheduled(Payload, type="vicino.order.scheduled.v1", topic=TENANTS):
    """An order, or what is left of it, waits for the day on which it takes effect. Until then it can be cancelled."""

    order_id: Uuid
    reference: ShortText
    begins_at: Instant


class OrderCancelled(Payload, type="vicino.order.cancelled.v1", topic=TENANTS):
    """An order was cancelled before any of its items was done. What had been made for it was taken back."""

    order_id: Uuid
    reference: ShortText


class RankedReseller(Value):
    """A candidate and why it stands where it stands. Kilometres with one decimal, score with two."""

    reseller_id: Key
    distance_km: NonNegativeQuantity
    score: NonNegativeQuantity
    excluded: tuple[Key, ...] = ()
    """`language`, `capacity`, `certification`, `distance`: empty for a fitting candidate."""


class TenantAssigned(Payload, type="vicino.tenant.assigned.v1", topic=TENANTS):
    """A tenant has its local reseller. The ranking is kept, so that anyone can see why."""

    reseller_id: Key
    distance_km: NonNegativeQuantity
    score: NonNegativeQuantity
    by: Key = "policy"
    """`policy`; `preference` when the order named a reseller that fits; `operator` when a person decided."""
    ranking: tuple[RankedReseller, ...]
    preferred: Key | None = None
    """Whom the order named. Chosen, unless the ranking says what excludes it."""
    effective_at: Instant | None = None
    """From when on the reseller serves the tenant; None: from the event's time on."""


class AssignmentNeeded(Payload, type="vicino.assignment.needed.v1", topic=TENANTS):
    """No reseller fits: a person must decide. The nearest ones and what excluded them are listed."""

    order_id: Uuid
    nearest: tuple[RankedReseller, ...]


class ServiceActivated(Payload, type="vicino.service.activated.v1", topic=TENANTS):
    """A service instance is provisioned and serves. Its price counts from `effective_at`, but not from before it served."""

    service_id: Uuid
    order_id: Uuid
    item: int = Field(ge=0)
    """Which item of the order it is, from 0."""
    sku: Key
    quantities: dict[Key, NonNegativeQuantity]
    effective_at: Instant
    activated_at: Instant | None = None
    """When it began to serve; None: no later than `effective_at`."""
    catalogue_revision: int | None = Field(default=None, ge=0)
    """The catalogue by which it was ordered; None: the newest."""


class ServiceChanged(Payload, type="vicino.service.changed.v1", topic=TENANTS):
    """Quantities of a service instance changed. `quantities` are all that its back-ends hold now."""

    service_id: Uuid
    order_id: Uuid
    sku: Key
    quantities: dict[Key, NonNegativeQuantity]
    effective_at: Instant
    changed: dict[Key, NonNegativeQuantity] | None = None
    """The quantities that the order named: only they are other ones from `effective_at` on. None: all of them."""


class LifeState(StrEnum):
    """What a service instance is from an instant on, once it was activated."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    """For good: no other state comes after it."""


class ServiceSuspended(Payload, type="vicino.service.suspended.v1", topic=TENANTS):
    """A service instance is suspended: its data stay, and what its plan marks as `paused` costs nothing."""

    state: ClassVar = LifeState.SUSPENDED

    service_id: Uuid
    sku: Key
    effective_at: Instant
    reason: Key
    """Why: `requested`, `cap_reached`, `operator`."""
    order_id: Uuid | None = None
    """The order that asked for it; None: nobody ordered it."""


class ServiceResumed(Payload, type="vicino.service.resumed.v1", topic=TENANTS):
    """A suspended service instance serves again, and is charged again."""

    state: ClassVar = LifeState.ACTIVE

    service_id: Uuid
    sku: Key
    effective_at: Instant
    order_id: Uuid | None = None


class ServiceEnded(Payload, type="vicino.service.ended.v1", topic=TENANTS):
    """A service instance ended, for good. Nothing of it is used from `effective_at` on, and no fee is due from that day on."""

    state: ClassVar = LifeState.ENDED

    service_id: Uuid
    sku: Key
    effective_at: Instant
    reason: Key
    """Why: `requested`, `operator`."""
    order_id: Uuid | None = None
    retained_until: Instant | None = None
    """Until then its data are kept, and nobody but the operator reaches them; None: it is not said."""


class ServiceRemoved(Payload, type="vicino.service.removed.v1", topic=TENANTS):
    """What an ended service instance had in its back-ends is removed for good, its data among it."""

    service_id: Uuid
    sku: Key
    ended_at: Instant
    order_id: Uuid
    """The order that ended it."""


StateChanged = ServiceSuspended | ServiceResumed | ServiceEnded
"""A service instance is in another state from `effective_at` on."""


class ProvisioningFailed(Payload, type="vicino.provisioning.failed.v1", topic=TENANTS):
    """A service instance could not be made: its back-end refused, or was tried for too long, and what was made is taken back."""

    service_id: Uuid
    order_id: Uuid
    sku: Key
    step: Key
    attempts: int = Field(ge=1)
    explanation: Text


class TenantActivated(Payload, type="vicino.tenant.activated.v1", topic=TENANTS):
    """A tenant's first service is active: the tenant is served, and its reseller is notified."""

    external_id: Key
    reseller_id: Key
    order_id: Uuid
    services: tuple[Uuid, ...]
    """The services of the order that are active at this moment; others may follow."""
    effective_at: Instant
