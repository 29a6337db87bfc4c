"""What an operator can do from the console: which request each act is, and whether it can be undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.envelope import SPEC_VERSION, Payload
from schemas.orders import OrderCancelRequested, OrderPlaced
from schemas.scalars import rfc3339
from schemas.signals import AcknowledgementGiven, ResolutionGiven

SOURCE = "/vicino/console"
EVENTS = "application/cloudevents+json"


class ActKind(StrEnum):
    """What is done."""

    ASSIGN = "assign"
    RELEASE = "release"
    REFUSE = "refuse"
    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REDELIVER = "redeliver"


class ActOutcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    """Nobody answered in time: perhaps it was done."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act, before it is done. `object` is what it is done to: an alert, an order, a service, a tenant, a notification."""

    id: str
    kind: ActKind
    object: str
    tenant_id: str | None
    who: str
    detail: str = ""
    """The reseller that was chosen, or a reason in the operator's words."""

    @property
    def kept(self) -> str:
        """What is kept of it here. Words may name persons: they travel sealed to where they are erased with their tenant."""
        return self.detail if self.kind is ActKind.ASSIGN else ""


_SECTIONS = {
    ActKind.ASSIGN: "tenants", ActKind.RELEASE: "orders", ActKind.REFUSE: "orders", ActKind.CANCEL: "orders",
    ActKind.ACKNOWLEDGE: "alerts", ActKind.RESOLVE: "alerts", ActKind.REDELIVER: "deliveries",
}  # fmt: skip


def page_of(kind: str, about: str, tenant_id: str | None) -> str:
    """The page that shows what an act is done to; a service is shown on its tenant's."""
    section = _SECTIONS.get(ActKind(kind))
    return f"/{section}/{about}" if section else f"/tenants/{tenant_id}"


@dataclass(frozen=True, slots=True)
class ActRequest:
    """The request that does it, at the gateway."""

    method: str
    path: str
    content: Mapping[str, Any]
    media_type: str = "application/json"


def _assign(act: Act, _: str) -> ActRequest:
    return ActRequest(
        "PUT", f"/operator/v1/tenants/{act.object}/assignment", {"reseller_id": act.detail}
    )


def _review(act: Act, _: str) -> ActRequest:
    path = f"/operator/v1/tenants/{act.tenant_id}/orders/{act.object}/review"
    return ActRequest("PUT", path, {"review": act.kind, "reason": act.detail})


def _event(act: Act, at: str, payload: type[Payload], data: Mapping[str, Any]) -> ActRequest:
    event = {
        "specversion": SPEC_VERSION, "id": act.id, "source": SOURCE, "type": payload.wire_type, "time": at,
        "subject": act.tenant_id, "data": data,
    }  # fmt: skip
    return ActRequest("POST", "/v1/events", event, EVENTS)


def _answer(act: Act, at: str) -> ActRequest:
    is_end = act.kind is ActKind.RESOLVE
    data = {"alert_id": act.object, "by": act.who} | ({"note": act.detail} if is_end else {})
    return _event(act, at, ResolutionGiven if is_end else AcknowledgementGiven, data)


def _cancel(act: Act, at: str) -> ActRequest:
    return _event(act, at, OrderCancelRequested, {"order_id": act.object})


def _order(act: Act, at: str) -> ActRequest:
    item = {"action": act.kind, "service_id": act.object}
    return _event(act, at, OrderPlaced, {"reference": f"{act.kind} {act.id[:8]}", "items": [item]})


def _redeliver(act: Act, _: str) -> ActRequest:
    return ActRequest("POST", f"/operator/v1/deliveries/{act.object}/redeliver", {})


REQUESTS: dict[ActKind, Callable[[Act, str], ActRequest]] = {
    ActKind.ASSIGN: _assign,
    ActKind.RELEASE: _review,
    ActKind.REFUSE: _review,
    ActKind.CANCEL: _cancel,
    ActKind.SUSPEND: _order,
    ActKind.RESUME: _order,
    ActKind.END: _order,
    ActKind.ACKNOWLEDGE: _answer,
    ActKind.RESOLVE: _answer,
    ActKind.REDELIVER: _redeliver,
}

FINAL = {
    ActKind.ASSIGN: "The tenant gets this reseller, and its order goes on. It cannot be taken back here.",
    ActKind.REFUSE: "The order ends, and its sender gets the reason. It cannot be taken up again.",
    ActKind.CANCEL: "What was begun for the order is taken back, unless some of it is done already.",
    ActKind.SUSPEND: "Nobody of the firm reaches the service until it is resumed. Its data stay.",
    ActKind.END: "The service ends now, for good. Its data are kept for the retention time, then removed.",
    ActKind.RESOLVE: "The alert is over, and its reseller is notified. New trouble opens a new one.",
}
"""What cannot be undone is asked first, with what it means."""


def request_of(act: Act, at: Any) -> ActRequest:
    """The request that does an act. Sent twice, it acts once: it carries the act's id, or changes nothing the second time."""
    return REQUESTS[act.kind](act, rfc3339(at))
