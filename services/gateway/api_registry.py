"""What the operator registers: the catalogue, resellers and back-ends; put, and read back as they were put."""

from typing import Annotated, Any

from fastapi import FastAPI, Header, Response
from fastapi.responses import JSONResponse

from schemas.reasons import Reason
from schemas.scalars import Key
from services.chassis.web import Problem, refused
from services.gateway import contract
from services.gateway.doors import KeyId
from services.gateway.operator_requests import BackendSpec, CatalogueSpec, ResellerSpec
from services.gateway.usecases import rotate_secrets
from services.gateway.usecases.publish_catalogue import Retroactive, publish_catalogue
from services.gateway.usecases.read_back import (
    read_catalogue,
    read_reseller,
    read_resellers,
)
from services.gateway.usecases.register_backend import register_backend
from services.gateway.usecases.register_reseller import register_reseller
from services.gateway.usecases.registry import Overtaken, Registry
from services.gateway.usecases.withdraw_reseller import withdraw_reseller

CATALOGUE_PATH = "/operator/v1/catalogue"
CATALOGUE_BYTES_MAX = 8 * 1024 * 1024
"""A catalogue is the only thing that the operator sends by the megabyte."""

Answers = dict[int | str, dict[str, Any]]
IfMatch = Annotated[
    str | None, Header(pattern=r'^"[0-9]{1,18}"$', description="The `ETag` of what is to be replaced.")
]  # fmt: skip
CHANGED: Answers = {
    412: contract.problem("Somebody has put another one since: read it, and put yours again.")
}
NO_CATALOGUE: Answers = {
    404: contract.problem("None was published, or an earlier build published it.")
}


def etag(revision: int) -> dict[str, str]:
    """A revision as HTTP says it."""
    return {"ETag": f'"{revision}"'}


def _replaced(if_match: str | None) -> int | None:
    """The revision that a request means to replace."""
    return None if if_match is None else int(if_match.strip('"'))


def add_registry(app: FastAPI, registry: Registry) -> None:
    """The operator's paths for what is registered."""
    _add_catalogue(app, registry)
    _add_resellers(app, registry)
    _add_secrets(app, registry)
    _add_backends(app, registry)


def _add_catalogue(app: FastAPI, registry: Registry) -> None:
    @app.put(CATALOGUE_PATH, responses=CHANGED)
    async def put_catalogue(
        spec: CatalogueSpec, answer: Response, if_match: IfMatch = None
    ) -> dict[str, int]:
        """Put a catalogue into force; with `If-Match`, only in place of the one that was read."""
        try:
            revision = await publish_catalogue(registry, spec, _replaced(if_match))
        except Retroactive as error:
            raise refused("/valid_from", Reason.RETROACTIVE, str(error)) from None
        except Overtaken as error:
            raise Problem(412, "Precondition Failed", str(error)) from None
        answer.headers.update(etag(revision))
        return {"revision": revision}

    @app.get(CATALOGUE_PATH, responses={200: {"model": CatalogueSpec}, **NO_CATALOGUE})
    async def get_catalogue() -> JSONResponse:
        """The catalogue that was published last, as it was put; `ETag` is its revision."""
        found = await read_catalogue(registry)
        return JSONResponse(found.content, headers=etag(found.revision))


def _add_resellers(app: FastAPI, registry: Registry) -> None:
    @app.get("/operator/v1/resellers")
    async def get_resellers() -> list[dict[str, Any]]:
        """Every reseller, by its id."""
        return await read_resellers(registry)

    @app.get("/operator/v1/resellers/{reseller_id}")
    async def get_reseller(reseller_id: Key) -> JSONResponse:
        """One reseller as it was put."""
        found = await read_reseller(registry, reseller_id)
        return JSONResponse(found.content, headers=etag(found.revision))

    @app.put(
        "/operator/v1/resellers/{reseller_id}",
        responses={**contract.NEW, **contract.conflict(), **CHANGED},
    )
    async def put_reseller(
        reseller_id: Key, spec: ResellerSpec, if_match: IfMatch = None
    ) -> JSONResponse:
        """Register a reseller (201, with its key and signing secret, shown once), or change what is known of it.

        With `If-Match`, only in place of what was read.
        """
        try:
            answer, is_new = await register_reseller(
                registry, reseller_id, spec, _replaced(if_match)
            )
        except Overtaken as error:
            raise Problem(412, "Precondition Failed", str(error)) from None
        return JSONResponse(answer, 201 if is_new else 200, headers=etag(answer["revision"]))

    @app.delete(
        "/operator/v1/resellers/{reseller_id}", status_code=204, responses=contract.conflict()
    )
    async def withdraw(reseller_id: Key) -> None:
        """Withdraw a reseller that serves nobody any more: its keys end, and it gets no new tenant."""
        await withdraw_reseller(registry, reseller_id)


def _add_secrets(app: FastAPI, registry: Registry) -> None:
    @app.post(
        "/operator/v1/resellers/{reseller_id}/keys", status_code=201, responses=contract.conflict()
    )
    async def add_key(reseller_id: Key) -> dict[str, str]:
        """A second key, for rotation."""
        return {"api_key": await rotate_secrets.add_key(registry, reseller_id)}

    @app.post(
        "/operator/v1/resellers/{reseller_id}/webhook-secret",
        status_code=201,
        responses=contract.conflict(),
    )
    async def rotate_secret(reseller_id: Key) -> dict[str, str]:
        """A new signing secret. The one before signs along for a day."""
        return {"webhook_secret": await rotate_secrets.rotate_secret(registry, reseller_id)}

    @app.delete("/operator/v1/keys/{key_id}", status_code=204)
    async def revoke(key_id: KeyId) -> None:
        """End a key."""
        await rotate_secrets.revoke_key(registry, key_id)


def _add_backends(app: FastAPI, registry: Registry) -> None:
    @app.put(
        "/operator/v1/backends/{backend_id}",
        responses={**contract.NEW, **contract.conflict()},
    )
    async def put_backend(backend_id: Key, spec: BackendSpec) -> JSONResponse:
        """Register a back-end of services (201, with its key, shown once)."""
        answer, is_new = await register_backend(registry, backend_id, spec)
        return JSONResponse(answer, 201 if is_new else 200)
