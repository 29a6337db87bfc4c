"""HTTP in: the resellers' door, and the operator's."""

import asyncio
import time
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from schemas.identity import OPERATOR
from schemas.reasons import Reason
from schemas.scalars import Key, Uuid
from services.chassis.pending import FactTooLarge
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.chassis.strangers import Strangers
from services.chassis.web import (
    Problem,
    address_of,
    application,
    bearer,
    check_pace,
    refused,
    unauthorized,
)
from services.gateway import contract, metrics, store
from services.gateway.domain.admission import Principal, PrincipalKind
from services.gateway.domain.cloudevents import BATCH_BYTES_MAX, Incoming, body_limit, parsing
from services.gateway.domain.faults import Fault, Refused
from services.gateway.domain.keys import same
from services.gateway.domain.schedule import DeliveryState
from services.gateway.inbound.limits import Limiter
from services.gateway.inbound.pace import in_turns
from services.gateway.inbound.unavailable import answer_when_unavailable
from services.gateway.operator_requests import (
    BackendSpec,
    CatalogueSpec,
    Decision,
    ResellerSpec,
    ReviewSpec,
)
from services.gateway.principals.knowledge import Knowledge
from services.gateway.store import sql
from services.gateway.usecases import erase_contact as erasing
from services.gateway.usecases import redeliver as redelivering
from services.gateway.usecases import rotate_secrets
from services.gateway.usecases.admit_events import Intake
from services.gateway.usecases.decide_for_tenant import decide_assignment, review_order
from services.gateway.usecases.publish_catalogue import Retroactive, publish_catalogue
from services.gateway.usecases.register_backend import register_backend
from services.gateway.usecases.register_reseller import register_reseller
from services.gateway.usecases.registry import Registry

BODY_TIMEOUT_SECONDS = 20.0
"""How long a body may take to arrive: a slow sender must not hold a door open for ever."""

EVENTS_PATH = "/v1/events"
CATALOGUE_PATH = "/operator/v1/catalogue"
CATALOGUE_BYTES_MAX = 8 * 1024 * 1024
"""A catalogue is the only thing that the operator sends by the megabyte."""

Limit = Annotated[int, Query(ge=1, le=1000)]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{18}$")]


def problem(status: int, detail: str, **more: Any) -> Problem:
    """A problem with its usual title."""
    return Problem(status, contract.TITLES[status], detail, **more)


def refusal(refused: Refused) -> Problem:
    """A refusal as problem+json: nothing was accepted, and every fault is listed."""
    errors = [
        {
            "index": fault.index,
            "pointer": fault.pointer,
            "reason": fault.reason,
            "detail": fault.detail,
        }
        for fault in refused.faults
    ]
    told = (
        "every fault is"
        if refused.total == len(errors)
        else f"the first {len(errors)} of {refused.total} faults are"
    )
    return problem(
        refused.status, f"nothing was accepted; {told} listed", errors=errors, total=refused.total
    )


async def _body(request: Request, limit: int) -> bytes:
    """The body, read no further than its limit, and no longer. Raises `Refused` (`too_large`), `Problem` 408."""
    too_large = Refused([Fault(0, "", Reason.TOO_LARGE, f"a body may have {limit} bytes")])
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise problem(408, f"the body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s") from None
    return bytes(body)


def principal_of(request: Request) -> Principal:
    """The sender, as the gate authenticated it."""
    found: Principal = request.state.principal
    return found


def _is_operators(request: Request) -> bool:
    return str(request.scope["path"]).startswith("/operator/")


class Doors:
    """What the endpoints share."""

    def __init__(
        self, runtime: Runtime, knowledge: Knowledge, intake: Intake, limiter: Limiter
    ) -> None:
        self.runtime, self.knowledge, self.intake, self.limiter = (
            runtime,
            knowledge,
            intake,
            limiter,
        )
        self._strangers = Strangers()
        self._operators_token = runtime.settings.token()

    async def admit(self, request: Request) -> None:
        """Authenticate the sender, before a byte of the body is read. Raises `Problem` 401, 403, 429."""
        token = bearer(request)
        check_pace(self._strangers, request, token)
        found = await self._holder(token)
        if found is None:
            self._strangers.was_wrong(address_of(request), "gateway")
            raise unauthorized()
        self._strangers.was_right(address_of(request), token)
        if not _is_operators(request):
            wait = self.limiter.wait_seconds(found.id, time.monotonic())
            if wait > 0:
                raise problem(429, "slow down", headers={"Retry-After": str(int(wait) + 1)})
        elif found.kind is not PrincipalKind.OPERATOR:
            raise problem(403, "this door is the operator's")
        request.state.principal = found

    async def _holder(self, key: str) -> Principal | None:
        if same(key, self._operators_token):
            return Principal(PrincipalKind.OPERATOR, OPERATOR)
        return await self.knowledge.principal(key)

    async def events(self, request: Request) -> Response:
        """Let events in."""
        with metrics.REQUEST_SECONDS.time():
            principal = principal_of(request)
            incoming: list[Incoming] = []
            try:
                body = await _body(request, body_limit(request.headers.get("content-type", "")))
                incoming = await in_turns(parsing(request.headers.items(), body))
                answers = await self.intake.accept(principal, incoming)
            except Refused as refused:
                await self.intake.refuse(principal, refused, incoming)
                raise refusal(refused) from None
            accepted = msgspec.json.encode({"accepted": answers})
            return Response(accepted, 202, media_type="application/json")

    async def who_speaks(self, principal: Principal) -> dict[str, Any]:
        """A principal, and of a reseller whether its address is open: a 410 closes it until it is registered again."""
        found: dict[str, Any] = {"kind": principal.kind, "id": principal.id}
        if principal.kind == PrincipalKind.RESELLER:
            async with self.runtime.pool.acquire() as db:
                reseller = await store.reseller(db, principal.id)
            assert reseller is not None  # it has a key
            closed_at = reseller.webhook_closed_at
            found["webhook"] = {"open": closed_at is None, "closed_at": closed_at}
        return found

    async def deliveries(
        self,
        recipient: str | None,
        state: DeliveryState | None,
        alert_id: str | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """The delivery log, newest first: one recipient's, or all of it; of one alert, if said."""
        async with self.runtime.pool.acquire() as db:
            found = await collect(
                sql.deliveries(db, recipient=recipient, state=state, alert_id=alert_id, limit=limit)
            )
        return [dict(row) for row in found]


def _resellers_doors(app: FastAPI, doors: Doors) -> None:
    @app.post(
        EVENTS_PATH,
        status_code=202,
        responses=contract.RESPONSES,
        openapi_extra=contract.REQUEST_BODY,
    )
    async def post_events(request: Request) -> Response:
        """Send CloudEvents: structured, batched or binary. 202 once Kafka has them from all in-sync replicas."""
        return await doors.events(request)

    @app.get("/v1/me")
    async def me(request: Request) -> dict[str, Any]:
        """Who this key is; of a reseller, whether its webhooks are sent, and if not, since when."""
        return await doors.who_speaks(principal_of(request))

    @app.get("/v1/deliveries")
    async def my_deliveries(
        request: Request,
        state: DeliveryState | None = None,
        alert_id: Uuid | None = None,
        limit: Limit = 100,
    ) -> list[dict[str, Any]]:
        """Notifications to the holder of this key, newest first; of one alert, if said."""
        principal = principal_of(request)
        return await doors.deliveries(principal.id, state, alert_id, limit)


def _catalogue_door(app: FastAPI, registry: Registry) -> None:
    @app.put(CATALOGUE_PATH)
    async def put_catalogue(spec: CatalogueSpec) -> dict[str, int]:
        """Put a catalogue into force."""
        try:
            return {"revision": await publish_catalogue(registry, spec)}
        except Retroactive as error:
            raise refused("/valid_from", Reason.RETROACTIVE, str(error)) from None


def _registry_doors(app: FastAPI, registry: Registry) -> None:
    @app.put("/operator/v1/resellers/{reseller_id}")
    async def put_reseller(reseller_id: Key, spec: ResellerSpec) -> JSONResponse:
        """Register a reseller (201, with its key and signing secret, shown once), or change what is known of it."""
        answer, is_new = await register_reseller(registry, reseller_id, spec)
        return JSONResponse(answer, 201 if is_new else 200)

    @app.post("/operator/v1/resellers/{reseller_id}/keys", status_code=201)
    async def add_key(reseller_id: Key) -> dict[str, str]:
        """A second key, for rotation."""
        return {"api_key": await rotate_secrets.add_key(registry, reseller_id)}

    @app.post("/operator/v1/resellers/{reseller_id}/webhook-secret", status_code=201)
    async def rotate_secret(reseller_id: Key) -> dict[str, str]:
        """A new signing secret. The one before signs along for a day."""
        return {"webhook_secret": await rotate_secrets.rotate_secret(registry, reseller_id)}

    @app.delete("/operator/v1/keys/{key_id}", status_code=204)
    async def revoke(key_id: KeyId) -> None:
        """End a key."""
        await rotate_secrets.revoke_key(registry, key_id)

    @app.put("/operator/v1/backends/{backend_id}")
    async def put_backend(backend_id: Key, spec: BackendSpec) -> JSONResponse:
        """Register a back-end of services (201, with its key, shown once)."""
        answer, is_new = await register_backend(registry, backend_id, spec)
        return JSONResponse(answer, 201 if is_new else 200)

    @app.put("/operator/v1/tenants/{tenant_id}/assignment", status_code=202)
    async def decide(tenant_id: Uuid, decision: Decision) -> dict[str, str]:
        """Choose the reseller of a tenant that waits for a person."""
        return {"event_id": await decide_assignment(registry, tenant_id, decision)}

    @app.put("/operator/v1/tenants/{tenant_id}/orders/{order_id}/review", status_code=202)
    async def review(tenant_id: Uuid, order_id: Uuid, spec: ReviewSpec) -> dict[str, str]:
        """Let an order go on that waits for a person, or end it."""
        return {"event_id": await review_order(registry, tenant_id, order_id, spec)}

    @app.delete("/operator/v1/tenants/{tenant_id}/contact", status_code=204)
    async def erase_contact(tenant_id: Uuid) -> None:
        """Forget the person to call at a tenant."""
        await erasing.erase_contact(registry, tenant_id)


def _operators_doors(app: FastAPI, doors: Doors, registry: Registry) -> None:
    @app.get("/operator/v1/refusals")
    async def refusals(reason: Reason | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Faults by reason since the beginning, and the newest of them."""
        async with doors.runtime.pool.acquire() as db:
            counts = await collect(sql.refusal_counts(db))
            found = await collect(sql.refusals(db, reason=reason, limit=limit))
        return {
            "total": {row["reason"]: row["n"] for row in counts},
            "refusals": [dict(row) for row in found],
        }

    @app.get("/operator/v1/deliveries")
    async def deliveries(
        state: DeliveryState | None = None, alert_id: Uuid | None = None, limit: Limit = 100
    ) -> list[dict[str, Any]]:
        """The delivery log, newest first; of one alert, if said."""
        return await doors.deliveries(None, state, alert_id, limit)

    @app.post("/operator/v1/deliveries/{notification_id}/redeliver", status_code=202)
    async def redeliver(notification_id: Uuid) -> dict[str, str]:
        """Tell it again, under the same id."""
        await redelivering.redeliver(registry, notification_id)
        return {"notification_id": notification_id}


async def _fact_too_large(_: Request, error: Exception) -> JSONResponse:
    return problem(413, str(error)).response()


def build_api(doors: Doors, registry: Registry) -> FastAPI:
    """The doors. A sender is authenticated before a body is read."""

    async def admit(request: Request) -> None:
        await doors.admit(request)

    described = [
        Depends(
            HTTPBearer(auto_error=False, description="`key_id.secret`, or the operator's token")
        )
    ]
    large = {EVENTS_PATH: 2 * BATCH_BYTES_MAX, CATALOGUE_PATH: CATALOGUE_BYTES_MAX}
    app = application(
        "Vicino doors",
        admit,
        large=large,
        version="1.0.0",
        description=str(__doc__),
        dependencies=described,
    )
    app.openapi = partial(contract.describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(FactTooLarge, _fact_too_large)
    answer_when_unavailable(app)
    _resellers_doors(app, doors)
    _catalogue_door(app, registry)
    _registry_doors(app, registry)
    _operators_doors(app, doors, registry)
    return app
