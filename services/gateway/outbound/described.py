"""The webhooks as they are sent, in OpenAPI: what each type of notification holds, and its headers."""

from typing import Any

from schemas.alerts import AlertOpened, AlertRaised, AlertResolved
from schemas.billing import (
    CapForeseen,
    CapReached,
    CommissionAccrued,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    SettlementIssued,
    TenantCapForeseen,
    TenantCapReached,
)
from schemas.deliveries import WebhookTested
from schemas.envelope import Payload
from schemas.rejects import EventRejected
from schemas.tenants import (
    OrderCancelled,
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    ServiceEnded,
    ServiceRemoved,
    ServiceResumed,
    ServiceSuspended,
    TenantActivated,
    TenantAssigned,
)

OF_A_TENANT: tuple[type[Payload], ...] = (
    TenantAssigned, TenantActivated, OrderHeld, OrderCompleted, OrderDelayed, OrderPartiallyCompleted, OrderCancelled,
    ServiceSuspended, ServiceResumed, ServiceEnded, ServiceRemoved, InvoiceIssued, InvoicePaid, InvoiceOverdue, CapReached,
    CapForeseen, TenantCapReached, TenantCapForeseen, CommissionAccrued,
)  # fmt: skip
OF_AN_ALERT: tuple[type[Payload], ...] = (AlertOpened, AlertRaised, AlertResolved)
OF_THE_RECEIVER: tuple[type[Payload], ...] = (SettlementIssued, WebhookTested, EventRejected, OrderFailed)  # fmt: skip
"""About the receiver itself, or about what it sent: no tenant is named."""

SENT = OF_A_TENANT + OF_AN_ALERT + OF_THE_RECEIVER
"""Everything that resellers are notified of."""

KEPT_BACK = frozenset({"ranking"})
"""How the others stood is between them and the operator."""

_TEXT = {"type": "string"}
_PERSON = {
    "description": "None: nobody is known, or the person was erased.",
    "anyOf": [{"type": "object", "additionalProperties": _TEXT}, {"type": "null"}],
}
_TENANT = {
    "type": "object",
    "required": ["tenant_id", "external_id", "name"],
    "properties": {"tenant_id": _TEXT, "external_id": _TEXT, "name": _TEXT},
}
_HEADERS = {
    "webhook-id": "The same for every attempt: act once.",
    "webhook-timestamp": "Seconds since 1970, when it was signed.",
    "webhook-signature": "Standard Webhooks; two signatures while one secret follows the other.",
}


def _component(model: str) -> str:
    return f"sent.{model}"


def _data(payload: type[Payload], schemas: dict[str, Any]) -> dict[str, Any]:
    """The data of a notification; what it refers to goes into `schemas`."""
    found = payload.model_json_schema(
        mode="serialization", ref_template=f"#/components/schemas/{_component('{model}')}"
    )
    schemas |= {_component(name): schema for name, schema in found.pop("$defs", {}).items()}
    found["properties"] = {
        name: schema for name, schema in found["properties"].items() if name not in KEPT_BACK
    }
    found["required"] = [name for name in found.get("required", []) if name not in KEPT_BACK]
    if payload in OF_THE_RECEIVER:
        return found
    tenant = dict(_TENANT)
    if payload in OF_AN_ALERT:
        tenant["properties"] = {**tenant["properties"], "contact": _PERSON}  # type: ignore[dict-item]
        found["properties"]["contact"] = _PERSON
    found["properties"]["tenant"] = tenant
    found["required"].append("tenant")
    return found


def _event(payload: type[Payload], data: dict[str, Any]) -> dict[str, Any]:
    fixed = {"specversion": "1.0", "type": payload.wire_type, "source": "/vicino/gateway"}
    properties: dict[str, Any] = {name: {"const": value} for name, value in fixed.items()}
    properties |= {
        "id": _TEXT,
        "subject": {"type": "string", "description": "The tenant; of a reseller's own matters, its id."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }  # fmt: skip
    return {"type": "object", "required": list(properties), "properties": properties}


def webhooks() -> tuple[dict[str, Any], dict[str, Any]]:
    """OpenAPI's `webhooks`, and the schemas that they refer to."""
    schemas: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for payload in SENT:
        name = _component(payload.__name__)
        schemas[name] = _event(payload, _data(payload, schemas))
        found[payload.wire_type] = {"post": _operation(payload, name)}
    return found, schemas


def _operation(payload: type[Payload], component: str) -> dict[str, Any]:
    headers = [
        {"name": name, "in": "header", "required": True, "description": about, "schema": _TEXT}
        for name, about in _HEADERS.items()
    ]
    return {
        "summary": (payload.__doc__ or "").partition("\n")[0],
        "parameters": headers,
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {
                    "schema": {"$ref": f"#/components/schemas/{component}"}
                }
            },
        },
        "responses": {
            "2XX": {"description": "It has arrived."},
            "410": {"description": "Never again: the address is closed until it is changed."},
            "default": {"description": "Anything else is tried again for about three days."},
        },
    }
