"""HTTP in: the resellers' door, and the operator's."""

from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from schemas.scalars import Uuid
from services.chassis.pending import FactTooLarge
from services.chassis.web import (
    application,
)
from services.gateway import contract
from services.gateway.api_logs import Logs, add_logs, add_operators_logs
from services.gateway.api_reading import OtherServices, Reading, add_reading
from services.gateway.api_registry import CATALOGUE_BYTES_MAX, CATALOGUE_PATH, add_registry
from services.gateway.api_self import add_self_service
from services.gateway.domain.cloudevents import BATCH_BYTES_MAX
from services.gateway.doors import EVENTS_PATH, Doors, principal_of, problem
from services.gateway.inbound.unavailable import answer_when_unavailable
from services.gateway.operator_requests import (
    Decision,
    MoveSpec,
    ReviewSpec,
)
from services.gateway.usecases import erase_contact as erasing
from services.gateway.usecases import redeliver as redelivering
from services.gateway.usecases.decide_for_tenant import (
    decide_assignment,
    decide_move,
    review_order,
)
from services.gateway.usecases.registry import Registry


def _resellers_doors(app: FastAPI, doors: Doors) -> None:
    @app.post(
        EVENTS_PATH,
        status_code=202,
        responses=contract.RESPONSES,
        openapi_extra=contract.REQUEST_BODY,
    )
    async def post_events(request: Request) -> Response:
        """Send CloudEvents: structured, batched or binary. 202 once Kafka has them from all in-sync replicas."""
        return Response(await doors.events(request), 202, media_type="application/json")

    @app.get("/v1/me")
    async def me(request: Request) -> dict[str, Any]:
        """Who this key is; of a reseller, whether its webhooks are sent, and if not, since when."""
        return await doors.who_speaks(principal_of(request))


def _decisions_doors(app: FastAPI, registry: Registry) -> None:
    @app.put(
        "/operator/v1/tenants/{tenant_id}/assignment",
        status_code=202,
        responses=contract.conflict(),
    )
    async def decide(tenant_id: Uuid, decision: Decision) -> dict[str, str]:
        """Choose the reseller of a tenant that waits for a person."""
        return {"event_id": await decide_assignment(registry, tenant_id, decision)}

    @app.put(
        "/operator/v1/tenants/{tenant_id}/reassignment",
        status_code=202,
        responses=contract.conflict(),
    )
    async def move(tenant_id: Uuid, spec: MoveSpec) -> dict[str, str]:
        """Move a tenant from its reseller to another one, now or later."""
        return {"event_id": await decide_move(registry, tenant_id, spec)}

    @app.put("/operator/v1/tenants/{tenant_id}/orders/{order_id}/review", status_code=202)
    async def review(tenant_id: Uuid, order_id: Uuid, spec: ReviewSpec) -> dict[str, str]:
        """Let an order go on that waits for a person, or end it."""
        return {"event_id": await review_order(registry, tenant_id, order_id, spec)}

    @app.delete("/operator/v1/tenants/{tenant_id}/contact", status_code=204)
    async def erase_contact(tenant_id: Uuid) -> None:
        """Forget the person to call at a tenant."""
        await erasing.erase_contact(registry, tenant_id)


def _deliveries_doors(app: FastAPI, registry: Registry) -> None:
    @app.post("/operator/v1/deliveries/{notification_id}/redeliver", status_code=202)
    async def redeliver(notification_id: Uuid) -> dict[str, str]:
        """Tell it again, under the same id."""
        await redelivering.redeliver(registry, notification_id)
        return {"notification_id": notification_id}


async def _fact_too_large(_: Request, error: Exception) -> JSONResponse:
    return problem(413, str(error)).response()


def build_api(doors: Doors, registry: Registry, others: OtherServices) -> FastAPI:
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
    add_registry(app, registry)
    _decisions_doors(app, registry)
    add_reading(app, Reading(doors, others))
    logs = Logs(doors)
    add_logs(app, logs)
    add_operators_logs(app, logs)
    _deliveries_doors(app, registry)
    add_self_service(app, registry)
    return app
