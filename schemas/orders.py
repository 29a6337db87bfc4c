"""Orders: what a tenant asks for."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from schemas.envelope import Payload
from schemas.persons import Personal
from schemas.scalars import Instant, Key, NonNegativeQuantity, ShortText, Text, Uuid, Value
from schemas.topics import ORDERS


class ItemAction(StrEnum):
    """What an order item does."""

    ADD = "add"
    CHANGE = "change"
    SUSPEND = "suspend"
    """Nobody reaches the service, its data stay, and what its plan marks as `paused` costs nothing."""
    RESUME = "resume"
    END = "end"
    """For good. Its data are kept for the retention time, then removed."""


OF_STATE = frozenset({ItemAction.SUSPEND, ItemAction.RESUME, ItemAction.END})
"""They change what state a service instance is in."""


class OrderItem(Value):
    """`add` names a SKU; the others name a service instance, and `change` the new quantities of what changes."""

    action: ItemAction
    sku: Key | None = None
    service_id: Uuid | None = None
    quantities: dict[Key, NonNegativeQuantity] = Field(default_factory=dict, max_length=20)

    @model_validator(mode="after")
    def _addressed(self) -> "OrderItem":
        if self.action is ItemAction.ADD and (self.sku is None or self.service_id is not None):
            raise ValueError("add needs a sku and no service_id")
        if self.action is ItemAction.CHANGE and (
            self.service_id is None or self.sku is not None or not self.quantities
        ):
            raise ValueError("change needs a service_id, quantities and no sku")
        if self.action in OF_STATE and (
            self.service_id is None or self.sku is not None or self.quantities
        ):
            raise ValueError(f"{self.action} needs a service_id, no quantities and no sku")
        return self


class Address(Value):
    """A seat in Italy. CAP is text: it may begin with zero."""

    street: ShortText
    cap: str = Field(pattern=r"^[0-9]{5}$")
    comune: ShortText
    provincia: str = Field(pattern=r"^[A-Z]{2}$")
    country: str = Field(default="IT", pattern=r"^[A-Z]{2}$")


class Contact(Value):
    """The person to call. On topics it holds stand-ins; what the order said is in the envelope's `sealed`."""

    name: Annotated[ShortText, Personal("sealed")]
    phone: Annotated[str, Personal("00000")] = Field(pattern=r"^\+?[0-9 ]{5,25}$")
    email: Annotated[str, Personal("sealed@invalid")] = Field(
        pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$", max_length=320
    )


class TenantDetails(Value):
    """The firm that orders for the first time. Its VAT number decides which tenant it is."""

    external_id: Key
    name: ShortText
    partita_iva: ShortText
    codice_destinatario: str = Field(default="0000000", pattern=r"^[A-Z0-9]{7}$")
    pec: str | None = Field(default=None, pattern=r"^[^@\s]{1,64}@[^@\s]{1,191}$")
    address: Address
    contact: Contact
    language: str = Field(default="it", pattern=r"^[a-z]{2}$")
    vertical: ShortText
    size_class: str = Field(default="small", pattern=r"^(micro|small|medium)$")


class OrderPlaced(Payload, type="vicino.order.placed.v1", topic=ORDERS):
    """A tenant orders services. The first order of a firm carries its details; later ones only name it as subject."""

    reference: ShortText
    effective_at: Instant | None = None
    tenant: TenantDetails | None = None
    items: tuple[OrderItem, ...] = Field(min_length=1, max_length=50)
    # Left out where it is not said: an order digests to what it always did.
    preferred_reseller: Key | None = Field(default=None, exclude_if=lambda said: said is None)
    """Who shall serve a firm that has no reseller yet: it does, if it fits. A reseller may name itself."""


class OrderCancelRequested(Payload, type="vicino.order.cancel_requested.v1", topic=ORDERS):
    """Whoever may order for the tenant wants an order back, before any of its items is done."""

    order_id: Uuid


class Review(StrEnum):
    """What a person decided about an order that waited for one."""

    RELEASE = "release"
    REFUSE = "refuse"


class OrderReviewed(Payload, type="vicino.order.reviewed.v1", topic=ORDERS):
    """An operator releases an order that waited for a person, or ends it. The sender of the order gets the `reason`."""

    order_id: Uuid
    review: Review
    reason: Text = ""


class AssignmentDecided(Payload, type="vicino.assignment.decided.v1", topic=ORDERS):
    """An operator chose the reseller of a tenant that no rule could place."""

    reseller_id: Key
    reason: Annotated[Text, Personal("")] = ""


class ReassignmentDecided(Payload, type="vicino.reassignment.decided.v1", topic=ORDERS):
    """An operator moves a tenant from its reseller to another one, now or later."""

    reseller_id: Key
    effective_at: Instant | None = None
    reason: Annotated[Text, Personal("")] = ""
