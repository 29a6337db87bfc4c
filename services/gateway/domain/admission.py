"""Whether an event may come in: who may say it, over a snapshot of what is known. All faults are found, not the first."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas import identity
from schemas.catalogue import Plan
from schemas.envelope import Event, Payload
from schemas.orders import ItemAction, OrderItem, OrderPlaced
from schemas.quantities import QuantityFault, quantity_faults
from schemas.reasons import Reason
from schemas.scalars import rfc3339
from schemas.signals import (
    AcknowledgementGiven,
    HeartbeatReceived,
    IncidentReported,
    ResolutionGiven,
)
from schemas.usage import UsageRecorded
from services.gateway.domain.content import Content
from services.gateway.domain.faults import Fault, pointer
from services.gateway.domain.measuring import is_wrong_kind
from services.gateway.domain.reading import Typed

OF_SERVICES = (UsageRecorded, HeartbeatReceived, IncidentReported)
"""What a back-end of services may say, about services of its SKUs."""


class PrincipalKind(StrEnum):
    """The sender."""

    RESELLER = "reseller"
    BACKEND = "backend"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key. A back-end may send events about its SKUs."""

    kind: PrincipalKind
    id: str
    skus: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant as the doors know it. Without a reseller it waits for one."""

    reseller_id: str | None


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service instance as the doors know it."""

    tenant_id: str
    sku: str
    ended_at: datetime | None = None
    """From this instant on nothing of it is used, and nothing of it can be changed."""

    def has_ended(self, at: datetime) -> bool:
        """Whether it is there no more at an instant."""
        return self.ended_at is not None and at >= self.ended_at


@dataclass(slots=True)
class Known:
    """What is known of everything a request is about. Plans no longer on sale still meter what they were sold for."""

    plans: Mapping[str, Plan]
    on_sale: frozenset[str]
    revision: int
    tenants: dict[str, KnownTenant] = field(default_factory=dict)
    services: dict[str, KnownService] = field(default_factory=dict)
    measured: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By SKU: the measured names that usage of the plan may come under."""
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What events of a measured name may have to carry (`measuring.py`)."""
    resellers: Collection[str] = ()
    """Those that orders name and that there are."""
    alerts: dict[str, str] = field(default_factory=dict)
    """The tenant of each alert."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that may come in, as it goes to its inner topic."""

    index: int
    event: Event[Payload]
    order_id: str | None = None
    content: Content | None = None
    """What an order says; None for what is no order."""


def claims(typed: Typed, principal: Principal, known: Known) -> list[Fault]:
    """Check what an event claims: that its tenant and services are the speaker's, that SKUs and meters exist."""
    tenant_fault = _tenant_fault(typed, principal, known)
    if tenant_fault is not None:
        return [tenant_fault]
    if isinstance(typed.data, OrderPlaced):
        return list(_order_faults(typed, typed.data, known))
    if isinstance(typed.data, (AcknowledgementGiven, ResolutionGiven)):
        return list(_alert_faults(typed, typed.data.alert_id, known))
    return list(_service_faults(typed, principal, known))


def _tenant_fault(typed: Typed, principal: Principal, known: Known) -> Fault | None:
    """Nobody learns whether another's tenant exists: both cases sound the same."""
    index, tenant = typed.incoming.index, known.tenants.get(typed.subject)
    if principal.kind is PrincipalKind.BACKEND and not isinstance(typed.data, OF_SERVICES):
        return Fault(
            index, "/type", Reason.NOT_ALLOWED, "a back-end sends usage, heartbeats and incidents"
        )
    if _may_speak(typed, principal, tenant):
        return None
    return Fault(index, "/subject", Reason.WRONG_TENANT, "no such tenant of yours")


def _may_speak(typed: Typed, principal: Principal, tenant: KnownTenant | None) -> bool:
    """An order with a firm's details may come from anyone, until the firm has its reseller."""
    has_details = isinstance(typed.data, OrderPlaced) and typed.data.tenant is not None
    if tenant is None:
        return has_details
    if principal.kind is PrincipalKind.RESELLER:
        return tenant.reseller_id == principal.id or (has_details and tenant.reseller_id is None)
    return True


def _order_faults(typed: Typed, order: OrderPlaced, known: Known) -> Iterator[Fault]:
    index = typed.incoming.index
    if order.preferred_reseller is not None and order.preferred_reseller not in known.resellers:
        yield Fault(
            index, "/data/preferred_reseller", Reason.UNKNOWN_RESELLER, "no such reseller"
        )  # fmt: skip
    for n, item in enumerate(order.items):
        sku = item.sku or ""
        if item.action is not ItemAction.ADD:
            service = known.services.get(item.service_id or "")
            if service is None or service.tenant_id != typed.subject:
                at = pointer("data", "items", n, "service_id")
                yield Fault(index, at, Reason.UNKNOWN_SERVICE, "no such service of this tenant")
                continue
            if service.has_ended(order.effective_at or typed.time):
                at = pointer("data", "items", n, "service_id")
                yield Fault(index, at, Reason.ENDED, _until(service))
                continue
            sku = service.sku
        plan = known.plans.get(sku)
        if plan is None or (item.action is ItemAction.ADD and sku not in known.on_sale):
            yield Fault(
                index, pointer("data", "items", n, "sku"), Reason.UNKNOWN_SKU, "not on sale"
            )
            continue
        yield from _quantity_faults(index, n, item, plan)


def _until(service: KnownService) -> str:
    assert service.ended_at is not None, "it has ended"
    return f"the service was there until {rfc3339(service.ended_at)}"


def _quantity_faults(index: int, n: int, item: OrderItem, plan: Plan) -> Iterator[Fault]:
    sold = {price.meter for price in plan.recurring}
    for component, fault in quantity_faults(sold, item.quantities):
        at = pointer("data", "items", n, "quantities", component)
        is_unknown = fault is QuantityFault.NOT_SOLD
        reason = Reason.UNKNOWN_METER if is_unknown else Reason.BAD_DATA
        yield Fault(index, at, reason, fault.value)


def _service_faults(typed: Typed, principal: Principal, known: Known) -> Iterator[Fault]:
    service_id: Any = getattr(typed.data, "service_id", None)
    if service_id is None:
        return
    index, service = typed.incoming.index, known.services.get(service_id)
    if service is None or service.tenant_id != typed.subject:
        yield Fault(
            index, "/data/service_id", Reason.UNKNOWN_SERVICE, "no such service of this tenant"
        )
        return
    if principal.kind is PrincipalKind.BACKEND and service.sku not in principal.skus:
        yield Fault(index, "/data/service_id", Reason.NOT_ALLOWED, "not a service of this back-end")
    if isinstance(typed.data, (UsageRecorded, HeartbeatReceived)) and service.has_ended(typed.time):
        yield Fault(index, "/time", Reason.ENDED, _until(service))
    if isinstance(typed.data, UsageRecorded):
        yield from _usage_faults(index, typed.data, known.plans.get(service.sku), known)


def _usage_faults(
    index: int, data: UsageRecorded, plan: Plan | None, known: Known
) -> Iterator[Fault]:
    if plan is None or data.meter not in known.measured[plan.sku]:
        yield Fault(
            index, "/data/meter", Reason.UNKNOWN_METER, "not a meter of this service's plan"
        )
        return
    sent, other = ("quantity", "value") if data.quantity is not None else ("value", "quantity")
    if is_wrong_kind(data.quantity is not None, known.needs.get(data.meter, ())):
        said = f"this meter takes a {other}, not a {sent}"
        yield Fault(index, pointer("data", sent), Reason.WRONG_VALUE, said)


def _alert_faults(typed: Typed, alert_id: str, known: Known) -> Iterator[Fault]:
    if known.alerts.get(alert_id) != typed.subject:
        yield Fault(
            typed.incoming.index, "/data/alert_id", Reason.UNKNOWN_ALERT, "no such alert of this tenant"
        )  # fmt: skip


def admit(typed: Typed, principal: Principal, revision: int) -> Admitted:
    """The event as it goes in: the same id, source, time and data, stamped with who spoke and what was known."""
    attributes = typed.incoming.attributes
    event = Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=typed.subject,
        time=typed.time,
        data=typed.data,
        correlation_id=attributes.get("correlationid") or attributes["id"],
        traceparent=attributes.get("traceparent"),
        principal=principal.id,
        revision=revision,
    )
    index = typed.incoming.index
    if not isinstance(typed.data, OrderPlaced):
        return Admitted(index, event)
    order_id = identity.order_id(typed.subject, event.source, event.id, principal.id)
    return Admitted(index, replace(event, order_id=order_id), order_id, content_of(typed))


def content_of(order: Typed) -> Content:
    """What an order says."""
    return Content.of(order.subject, order.data)
