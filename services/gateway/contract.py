"""The contract of `POST /v1/events` in OpenAPI: examples that a door accepts, and the problems it answers."""

from typing import Any

from fastapi import FastAPI

from services.chassis.web import PROBLEM
from services.gateway.domain.cloudevents import BATCHED, BINARY, STRUCTURED
from services.gateway.domain.faults import MEANINGS
from services.gateway.outbound.described import webhooks

TENANT = "1f0b2a52-4a41-5a0b-9d07-0d8f7b6a1c11"
SERVICE = "6f1c1f6e-52a8-5b7e-8a6e-7a1d6c9f0e42"
ORDER_DATA = {
    "reference": "ORD-2026-0042",
    "effective_at": "2026-12-01T00:00:00+01:00",
    "tenant": {
        "external_id": "SME-01", "name": "Ceramiche Esempio S.r.l.", "partita_iva": "IT12345670017",
        "address": {"street": "Via dell'Esempio 1", "cap": "41121", "comune": "Modena", "provincia": "MO"},
        "contact": {"name": "Ada Esempio", "phone": "+39 059 000000", "email": "ada@esempio.example"},
        "vertical": "manufacturing",
    },
    "items": [{"action": "add", "sku": "ERP-CLOUD", "quantities": {"extra_user": "3"}}],
}  # fmt: skip
USAGE_DATA = {"service_id": SERVICE, "meter": "e_invoices", "value": "FT-2026-1730"}
HEARTBEAT_DATA = {"service_id": SERVICE}
TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 408: "Request Timeout", 409: "Conflict",
    413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
    503: "Service Unavailable",
}  # fmt: skip
_OF_THE_DOOR = {
    401: "No key, or one that nobody holds.",
    408: "The body did not arrive in time.",
    429: "This key is over its rate limit; `Retry-After` says when to try again.",
    503: "Kafka or the database is unavailable: nothing was accepted; send it again, with the same id.",
}


def example(
    type_: str, id_: str, data: dict[str, Any], subject: str | None = None
) -> dict[str, Any]:
    """A CloudEvent as a sender writes it."""
    event = {
        "specversion": "1.0", "id": id_, "source": "https://portal.reseller.example", "type": type_,
        "time": "2026-11-23T10:15:30Z", "datacontenttype": BINARY, "data": data,
    }  # fmt: skip
    return event | ({"subject": subject} if subject else {})


ORDER = example("vicino.order.placed.v1", "order-42", ORDER_DATA)
USAGE = example("vicino.usage.recorded.v1", "usage-1730", USAGE_DATA, TENANT)
HEARTBEAT = example("vicino.heartbeat.received.v1", "beat-7", HEARTBEAT_DATA, TENANT)
EXAMPLES: dict[str, dict[str, Any]] = {
    STRUCTURED: {"a firm's first order": {"value": ORDER}, "a sign of life": {"value": HEARTBEAT}},
    BATCHED: {"usage and a sign of life": {"value": [USAGE, HEARTBEAT]}},
    BINARY: {"data only; attributes travel as `ce-` headers": {"value": USAGE_DATA}},
}
REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "description": "CloudEvents 1.0 over HTTP: structured, batched, or binary (attributes in `ce-` headers).",
        "content": {
            STRUCTURED: {
                "schema": {"$ref": "#/components/schemas/CloudEvent"},
                "examples": EXAMPLES[STRUCTURED],
            },
            BATCHED: {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/CloudEvent"}},
                "examples": EXAMPLES[BATCHED],
            },
            BINARY: {"schema": {"type": "object"}, "examples": EXAMPLES[BINARY]},
        },
    }
}
_TEXT = {"type": "string"}
SCHEMAS = {
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"}, "id": _TEXT, "source": _TEXT, "type": _TEXT,
            "subject": {"type": ["string", "null"]},
            "time": {"type": "string", "format": "date-time"}, "data": {"type": "object"},
        },
    },
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT,
            "total": {"type": "integer", "description": "how many faults there are; at most 100 are listed"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["index", "pointer", "reason", "detail"],
                    "properties": {
                        "index": {"type": "integer", "description": "which event of the batch, from 0"},
                        "pointer": {"type": "string", "description": "where in the event (JSON pointer)"},
                        "reason": _TEXT, "detail": _TEXT,
                    },
                },
            },
        },
    },
}  # fmt: skip


def _reasons(status: int) -> str:
    """What may be wrong when this is the answer."""
    found = [
        f"`{reason}`: {MEANINGS[reason].sentence}"
        for reason in MEANINGS
        if MEANINGS[reason].status == status
    ]
    return "\n".join(f"- {line}" for line in [*found, *filter(None, [_OF_THE_DOOR.get(status)])])


def conflict() -> dict[int | str, dict[str, Any]]:
    """409, for a route that may answer it."""
    return {status: problem(sentence) for status, sentence in CONFLICT.items()}


def problem(description: str) -> dict[str, Any]:
    """A problem+json answer."""
    return {
        "description": description,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


ACCEPTED = {
    "source": ORDER["source"], "id": ORDER["id"], "type": ORDER["type"], "tenant_id": TENANT,
    "order_id": "0d6b4a0e-9c0f-5d51-a6b4-54e7c1a1c9a0",
}  # fmt: skip
RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Kafka has every event from all in-sync replicas. One answer for each, in order.",
        "content": {"application/json": {"example": {"accepted": [ACCEPTED]}}},
    },
    **{status: problem(_reasons(status)) for status in TITLES},
}


OF_EVERY_OPERATION = {
    400: "The query is not text, or the body is not JSON.",
    401: _OF_THE_DOOR[401],
    403: "The key's holder may not do this.",
    422: "The request does not fit its schema, or names a query parameter that there is not (`unknown_parameter`).",
    429: _OF_THE_DOOR[429],
    503: "Kafka or the database is unavailable.",
}
"""What any operation may answer beside its own, as problem+json."""

OF_ONE_THING = "There is no such thing, or it is not yours: nobody learns which."
CONFLICT = {409: "What there is does not allow it: `detail` says what."}
NEW: dict[int | str, dict[str, Any]] = {
    201: {"description": "It is new: what is shown in this answer is shown once."}
}

TOO_LARGE = "The body has more bytes than this path takes."
_NOT_OURS = ("HTTPValidationError", "ValidationError")
"""FastAPI's own words for a 422. Ours are problem+json."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, with the schemas that are not pydantic's."""
    document = FastAPI.openapi(app)
    schemas = document["components"]["schemas"]
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas |= SCHEMAS
    document["webhooks"], sent = webhooks()
    schemas |= sent
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            if "{" in path:
                answers.setdefault("404", problem(OF_ONE_THING))
            if "422" in answers and PROBLEM not in answers["422"].get("content", {}):
                del answers["422"]
            said = OF_EVERY_OPERATION | ({413: TOO_LARGE} if "requestBody" in operation else {})
            for status, sentence in said.items():
                answers.setdefault(str(status), problem(sentence))
    return document
