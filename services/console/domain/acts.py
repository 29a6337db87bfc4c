"""What an operator can do from the console: which request each act is, and whether it can be undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.envelope import SPEC_VERSION
from schemas.scalars import rfc3339
from schemas.signals import AcknowledgementGiven, ResolutionGiven

SOURCE = "/vicino/console"
EVENTS = "application/cloudevents+json"


class ActKind(StrEnum):
    """What is done."""

    ASSIGN = "assign"
    RELEASE = "release"
    REFUSE = "refuse"
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
    """One act, before it is done. `object` is what the page is about: an alert, an order, a tenant, a notification."""

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


def _answer(act: Act, at: str) -> ActRequest:
    is_end = act.kind is ActKind.RESOLVE
    data = {"alert_id": act.object, "by": act.who} | ({"note": act.detail} if is_end else {})
    kind = ResolutionGiven if is_end else AcknowledgementGiven
    event = {
        "specversion": SPEC_VERSION, "id": act.id, "source": SOURCE, "type": kind.wire_type, "time": at,
        "subject": act.tenant_id, "data": data,
    }  # fmt: skip
    return ActRequest("POST", "/v1/events", event, EVENTS)


def _redeliver(act: Act, _: str) -> ActRequest:
    return ActRequest("POST", f"/operator/v1/deliveries/{act.object}/redeliver", {})


REQUESTS: dict[ActKind, Callable[[Act, str], ActRequest]] = {
    ActKind.ASSIGN: _assign,
    ActKind.RELEASE: _review,
    ActKind.REFUSE: _review,
    ActKind.ACKNOWLEDGE: _answer,
    ActKind.RESOLVE: _answer,
    ActKind.REDELIVER: _redeliver,
}

FINAL = {
    ActKind.ASSIGN: "The tenant gets this reseller, and its order goes on. It cannot be taken back here.",
    ActKind.REFUSE: "The order ends, and its sender gets the reason. It cannot be taken up again.",
    ActKind.RESOLVE: "The alert is over, and its reseller is notified. New trouble opens a new one.",
}
"""What cannot be undone is asked first, with what it means."""


def request_of(act: Act, at: Any) -> ActRequest:
    """The request that does an act. Sent twice, it acts once: it carries the act's id, or changes nothing the second time."""
    return REQUESTS[act.kind](act, rfc3339(at))
