"""HTTP helpers that every API shares: who is the operator, and problem+json (RFC 9457)."""

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as DependsParam
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware

from schemas.reasons import Reason
from schemas.validation import reason_of
from services.chassis.gate import BODY_BYTES, Admit, Gate, NoStore
from services.chassis.parameters import unknown_parameters
from services.chassis.strangers import Strangers

PROBLEM = "application/problem+json"
PARAMETERS_SHOWN = 20
TOO_LATE = frozenset({Reason.ENDED, Reason.ALREADY_ASSIGNED})
"""Refused for what has become of the thing, not for what the request says."""


class Problem(Exception):
    """An error answer. `errors` lists faults with their places, `total` says how many there are."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
        total: int | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail
        self.errors, self.headers, self.total = errors or [], headers or {}, total

    def response(self) -> JSONResponse:
        """As it is sent."""
        body: dict[str, Any] = {
            "type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail
        }  # fmt: skip
        if self.errors:
            body["errors"] = self.errors
        if self.total is not None:
            body["total"] = self.total
        return JSONResponse(body, self.status, headers=self.headers, media_type=PROBLEM)


def refused(pointer: str, reason: Reason, detail: str) -> Problem:
    """What is wrong with a request: its place, why, and a sentence. 409 for what came too late, else 422."""
    fault = {"index": 0, "pointer": pointer, "reason": reason, "detail": detail}
    if reason in TOO_LATE:
        return Problem(HTTPStatus.CONFLICT, "Conflict", detail, [fault])
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Unprocessable Content", detail, [fault])


def header(request: Request, name: bytes) -> str:
    """The first value of a header, named in lower case; empty when there is none. Cheaper than `request.headers`."""
    for found, value in request.scope["headers"]:
        if found == name:
            return str(value.decode("latin-1"))
    return ""


def bearer(request: Request) -> str:
    """The bearer token of a request. Raises `Problem` 401."""
    scheme, _, token = header(request, b"authorization").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(
            401,
            "Unauthorized",
            "send Authorization: Bearer <key>",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return token.strip()


def unauthorized(detail: str = "no such key") -> Problem:
    """401 for a token that nobody holds."""
    return Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def check_pace(strangers: Strangers, request: Request, token: str) -> None:
    """Refuse, before any look-up, an address that presented too many wrong tokens. Raises `Problem` 429."""
    wait = strangers.wait_seconds(address_of(request), token)
    if wait > 0:
        raise Problem(
            429, "Too Many Requests", "too many wrong tokens from this address",
            headers={"Retry-After": str(int(wait) + 1)},
        )  # fmt: skip


def operator_only(token: str, door: str = "operator") -> Admit:
    """Lets only the operator in. Raises `Problem` 401, 429. `door` names it in logs and metrics."""
    strangers = Strangers()

    async def admit(request: Request) -> None:
        presented = bearer(request)
        check_pace(strangers, request, presented)
        if not hmac.compare_digest(presented.encode(), token.encode()):
            strangers.was_wrong(address_of(request), door)
            raise unauthorized()
        strangers.was_right(address_of(request), presented)

    return admit


def _pointer(parts: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


async def known_parameters(request: Request) -> None:
    """Raises `Problem` 422 (`unknown_parameter`) for a query parameter that the route does not read."""
    unknown, known = unknown_parameters(request)
    if unknown:
        takes = f"this path takes {', '.join(known)}" if known else "this path takes none"
        errors = [
            {"index": 0, "pointer": _pointer([name[:100]]), "reason": Reason.UNKNOWN_PARAMETER, "detail": takes}
            for name in unknown[:PARAMETERS_SHOWN]
        ]  # fmt: skip
        detail = f"no such query parameter: {takes}"
        raise Problem(422, "Unprocessable Content", detail, errors, total=len(unknown))


def application(
    title: str,
    admit: Admit,
    *,
    public: Collection[str] = (),
    large: Mapping[str, int] | None = None,
    body_bytes: int = BODY_BYTES,
    dependencies: Sequence[DependsParam] = (),
    **more: Any,
) -> FastAPI:
    """A FastAPI app without pages from public CDNs, whose errors are problem+json.

    `admit` is asked before a body is read, on every path but the `public` ones. `large` gives paths that take more than
    `body_bytes` of a body.
    """
    app = FastAPI(
        title=title, docs_url=None, redoc_url=None, redirect_slashes=False,
        dependencies=[*dependencies, Depends(known_parameters)], **more,
    )  # fmt: skip
    app.add_middleware(
        Gate, admit=admit, public=frozenset(public), large=dict(large or {}), body_bytes=body_bytes
    )  # fmt: skip
    # What the gate raises is answered as what the routes raise; the handlers are read with the first request.
    app.add_middleware(ExceptionMiddleware, handlers=app.exception_handlers)
    app.add_middleware(NoStore)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        """What the router itself refuses: no such path, not by this method."""
        phrase = HTTPStatus(error.status_code).phrase
        return Problem(
            error.status_code, phrase, str(error.detail), headers=dict(error.headers or {})
        ).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        if any(fault["type"] == "json_invalid" for fault in faults):
            return Problem(400, "Bad Request", "the body is not JSON").response()
        errors = [
            {
                "index": 0,
                "pointer": _pointer(fault["loc"][1:]),
                "reason": reason_of(fault["type"], str(fault["loc"][-1])),
                "detail": fault["msg"],
            }
            for fault in faults
        ]
        return Problem(
            422, "Unprocessable Content", "the request does not fit its schema", errors
        ).response()

    return app
