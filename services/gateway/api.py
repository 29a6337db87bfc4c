"""HTTP in: the resellers' door, and the operator's."""

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse

from services.chassis.service import Runtime
from services.chassis.store import rows
from services.chassis.web import Problem, application, bearer, operator_only
from services.gateway import metrics
from services.gateway.domain.admission import Kind, Principal
from services.gateway.domain.cloudevents import Incoming, body_limit, parse
from services.gateway.domain.faults import Fault, Reason, Refused, status_of
from services.gateway.intake import Intake
from services.gateway.knowledge import Knowledge
from services.gateway.limits import Limiter
from services.gateway.registry import BackendSpec, CatalogueSpec, Decision, Registry, ResellerSpec
from services.gateway.store import sql

Limit = Annotated[int, Query(ge=1, le=1000)]
TITLES = {
    400: "Bad Request", 403: "Forbidden", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
    422: "Unprocessable Content",
}  # fmt: skip


def refusal(refused: Refused) -> Problem:
    """A refusal as problem+json: nothing was accepted, and every fault is listed."""
    status = status_of(refused.faults)
    errors = [
        {"index": fault.index, "pointer": fault.pointer, "reason": fault.reason, "detail": fault.detail}
        for fault in refused.faults
    ]
    return Problem(status, TITLES[status], "nothing was accepted; every fault is listed", errors)


async def _body(request: Request, limit: int) -> bytes:
    """The body, read no further than its limit. Raises `Refused` (`too_large`)."""
    too_large = Refused([Fault(0, "", Reason.TOO_LARGE, f"a body may have {limit} bytes")])
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


class Doors:
    """What the endpoints share."""

    def __init__(self, runtime: Runtime, knowledge: Knowledge, intake: Intake, limiter: Limiter) -> None:
        self.runtime, self.knowledge, self.intake, self.limiter = runtime, knowledge, intake, limiter

    async def principal(self, request: Request) -> Principal:
        """Who speaks. Raises `Problem` 401, 429."""
        key = bearer(request)
        found = (
            Principal(Kind.OPERATOR, "operator")
            if key == self.runtime.settings.token()
            else await self.knowledge.principal(key)
        )
        if found is None:
            raise Problem(401, "Unauthorized", "no such key", headers={"WWW-Authenticate": "Bearer"})
        wait = self.limiter.wait_seconds(found.id, time.monotonic())
        if wait > 0:
            raise Problem(429, "Too Many Requests", "slow down", headers={"Retry-After": str(int(wait) + 1)})
        return found

    async def events(self, request: Request) -> JSONResponse:
        """Let events in."""
        with metrics.REQUEST_SECONDS.time():
            principal = await self.principal(request)
            content_type = request.headers.get("content-type", "")
            incoming: list[Incoming] = []
            try:
                body = await _body(request, body_limit(content_type))
                incoming = parse(content_type, request.headers, body)
                answers = await self.intake.take(principal, incoming)
            except Refused as refused:
                await self.intake.refuse(principal.id, refused, incoming)
                raise refusal(refused) from None
            return JSONResponse({"accepted": answers}, 202)


def _resellers_doors(app: FastAPI, doors: Doors) -> None:
    @app.post("/v1/events", status_code=202)
    async def post_events(request: Request) -> JSONResponse:
        """Send CloudEvents: structured, batched or binary. 202 once Kafka has them from all in-sync replicas."""
        return await doors.events(request)

    @app.get("/v1/me")
    async def me(request: Request) -> dict[str, str]:
        """Who this key is."""
        principal = await doors.principal(request)
        return {"kind": principal.kind, "id": principal.id}

    @app.get("/v1/deliveries")
    async def my_deliveries(request: Request, state: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """What was told to the holder of this key, newest first."""
        principal = await doors.principal(request)
        async with doors.runtime.pool.acquire() as db:
            found = await rows(sql.deliveries(db, recipient=principal.id, state=state, limit=limit))
        return [dict(row) for row in found]


def _operators_doors(app: FastAPI, doors: Doors, registry: Registry, guard: Callable[[Request], None]) -> None:
    operator = [Depends(guard)]

    @app.put("/operator/v1/catalogue", dependencies=operator)
    async def put_catalogue(spec: CatalogueSpec) -> dict[str, int]:
        """Put a catalogue into force."""
        return {"revision": await registry.publish_catalogue(spec)}

    @app.put("/operator/v1/resellers/{reseller_id}", dependencies=operator)
    async def put_reseller(reseller_id: str, spec: ResellerSpec) -> JSONResponse:
        """Register a reseller, or change what is known of it. Keys are shown once."""
        answer, is_new = await registry.put_reseller(reseller_id, spec)
        return JSONResponse(answer, 201 if is_new else 200)

    @app.post("/operator/v1/resellers/{reseller_id}/keys", status_code=201, dependencies=operator)
    async def add_key(reseller_id: str) -> dict[str, str]:
        """A second key, for rotation."""
        return {"api_key": await registry.add_key(Kind.RESELLER, reseller_id)}

    @app.delete("/operator/v1/keys/{key_id}", status_code=204, dependencies=operator)
    async def revoke(key_id: str) -> None:
        """End a key."""
        await registry.revoke_key(key_id)

    @app.put("/operator/v1/backends/{backend_id}", dependencies=operator)
    async def put_backend(backend_id: str, spec: BackendSpec) -> JSONResponse:
        """Register a back-end of services."""
        answer, is_new = await registry.put_backend(backend_id, spec)
        return JSONResponse(answer, 201 if is_new else 200)

    @app.put("/operator/v1/tenants/{tenant_id}/assignment", status_code=202, dependencies=operator)
    async def decide(tenant_id: str, decision: Decision) -> dict[str, str]:
        """Choose the reseller of a tenant that waits for a person."""
        return {"event_id": await registry.decide(tenant_id, decision)}

    @app.get("/operator/v1/refusals", dependencies=operator)
    async def refusals(reason: str | None = None, limit: Limit = 100) -> dict[str, Any]:
        """What was refused at the door, by reason, and the newest."""
        async with doors.runtime.pool.acquire() as db:
            counts = await rows(sql.refusal_counts(db))
            found = await rows(sql.refusals(db, reason=reason, limit=limit))
        return {"total": {row["reason"]: row["n"] for row in counts}, "refusals": [dict(row) for row in found]}

    @app.get("/operator/v1/deliveries", dependencies=operator)
    async def deliveries(state: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The delivery log, newest first."""
        async with doors.runtime.pool.acquire() as db:
            return [dict(row) for row in await rows(sql.deliveries(db, recipient=None, state=state, limit=limit))]

    @app.post("/operator/v1/deliveries/{notification_id}/redeliver", status_code=202, dependencies=operator)
    async def redeliver(notification_id: str) -> dict[str, str]:
        """Tell it again, under the same id."""
        await registry.redeliver(notification_id)
        return {"notification_id": notification_id}


def build_api(doors: Doors, registry: Registry, token: str) -> FastAPI:
    """The doors."""
    app = application("Vicino doors", version="1.0.0", description=str(__doc__))
    _resellers_doors(app, doors)
    _operators_doors(app, doors, registry, operator_only(token))
    return app
