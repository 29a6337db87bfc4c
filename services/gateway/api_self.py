"""A reseller looks after itself: keys, signing secret, address, a test, and sending again. No operator is needed."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict

from schemas.scalars import Text, Uuid
from services.gateway import contract
from services.gateway.domain.admission import PrincipalKind
from services.gateway.doors import KeyId, principal_of, problem
from services.gateway.usecases import look_after_oneself as oneself
from services.gateway.usecases import rotate_secrets
from services.gateway.usecases.registry import Registry


class AddressSpec(BaseModel):
    """Where webhooks go."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: Text


def _reseller(request: Request) -> str:
    principal = principal_of(request)
    if principal.kind is not PrincipalKind.RESELLER:
        raise problem(403, "this is for resellers")
    return principal.id


def add_self_service(app: FastAPI, registry: Registry) -> None:
    """What the holder of a reseller's key may do about itself."""
    _add_keys(app, registry)
    _add_webhooks(app, registry)


def _add_keys(app: FastAPI, registry: Registry) -> None:
    @app.get("/v1/me/keys")
    async def my_keys(request: Request) -> list[dict[str, Any]]:
        """Your live keys: what each begins with, and since when it is there."""
        return await oneself.show_keys(registry, _reseller(request))

    @app.post("/v1/me/keys", status_code=201, responses=contract.conflict())
    async def add_my_key(request: Request) -> dict[str, str]:
        """A second key, for rotation; at most two are live. It is shown once."""
        return {"api_key": await rotate_secrets.add_key(registry, _reseller(request))}

    @app.delete("/v1/me/keys/{key_id}", status_code=204, responses=contract.conflict())
    async def end_my_key(request: Request, key_id: KeyId) -> None:
        """End one of your keys, but not the last one."""
        await oneself.end_key(registry, _reseller(request), key_id)


def _add_webhooks(app: FastAPI, registry: Registry) -> None:
    @app.post("/v1/me/webhook-secret", status_code=201, responses=contract.conflict())
    async def rotate_my_secret(request: Request) -> dict[str, str]:
        """A new signing secret. The one before signs along for a day."""
        return {"webhook_secret": await rotate_secrets.rotate_secret(registry, _reseller(request))}

    @app.put("/v1/me/webhook")
    async def put_my_address(request: Request, spec: AddressSpec) -> dict[str, int]:
        """Where your webhooks go from now on. What waits is tried at once; a closed address is open again."""
        waiting = await oneself.change_address(registry, _reseller(request), spec.webhook_url)
        return {"waiting": waiting}

    @app.post("/v1/me/test", status_code=202)
    async def test_my_address(request: Request) -> dict[str, str]:
        """Send yourself a notification; `/v1/deliveries` says what became of it."""
        return {"notification_id": await oneself.send_test(registry, _reseller(request))}

    @app.post("/v1/deliveries/{notification_id}/redeliver", status_code=202)
    async def redeliver_mine(request: Request, notification_id: Uuid) -> dict[str, str]:
        """Send a notification to you again, under the same id."""
        await oneself.redeliver_own(registry, _reseller(request), notification_id)
        return {"notification_id": notification_id}
