"""HTTP helpers that every API shares: who speaks as operator, and problem+json (RFC 9457)."""

import hmac
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBLEM = "application/problem+json"
BODY_BYTES_MAX = 8 * 1024 * 1024
"""What any API reads of a body at most; an endpoint may read less."""


class Problem(Exception):
    """An error answer. `errors` lists every fault, with its place."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail
        self.errors, self.headers = errors or [], headers or {}

    def response(self) -> JSONResponse:
        """As it is sent."""
        body: dict[str, Any] = {
            "type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail
        }  # fmt: skip
        if self.errors:
            body["errors"] = self.errors
        return JSONResponse(body, self.status, headers=self.headers, media_type=PROBLEM)


def bearer(request: Request) -> str:
    """The bearer token of a request. Raises `Problem` 401."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(401, "Unauthorized", "send Authorization: Bearer <key>", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


def operator_only(token: str) -> Callable[[Request], None]:
    """A dependency that lets only the operator in. Raises `Problem` 401 or 403."""

    def check(request: Request) -> None:
        if not hmac.compare_digest(bearer(request).encode(), token.encode()):
            raise Problem(403, "Forbidden", "this door is the operator's")

    return check


def _pointer(parts: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class _BodyLimit:
    """Stops a body that is too large while it comes, whoever reads it: FastAPI reads before it asks who speaks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise HTTPException(413, f"a body may have {BODY_BYTES_MAX} bytes")
            return message

        await self._app(scope, bounded, send)


def application(title: str, **more: Any) -> FastAPI:
    """A FastAPI app without pages from public CDNs, whose errors are problem+json."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, redirect_slashes=False, **more)
    app.add_middleware(_BodyLimit)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        """What the router itself refuses: no such path, not by this method."""
        phrase = HTTPStatus(error.status_code).phrase
        return Problem(error.status_code, phrase, str(error.detail), headers=dict(error.headers or {})).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        if any(fault["type"] == "json_invalid" for fault in faults):
            return Problem(400, "Bad Request", "the body is not JSON").response()
        errors = [
            {"index": 0, "pointer": _pointer(fault["loc"][1:]), "reason": "bad_data", "detail": fault["msg"]}
            for fault in faults
        ]
        return Problem(422, "Unprocessable Content", "the request does not fit its schema", errors).response()

    return app
