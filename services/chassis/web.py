"""HTTP helpers that every API shares: who speaks as operator, and problem+json (RFC 9457)."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

PROBLEM = "application/problem+json"


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


def application(title: str, **more: Any) -> FastAPI:
    """A FastAPI app without pages from public CDNs, whose errors are problem+json."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, **more)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        """What the router itself refuses: no such path, not by this method."""
        phrase = HTTPStatus(error.status_code).phrase
        return Problem(error.status_code, phrase, error.detail, headers=dict(error.headers or {})).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {
                "index": 0,
                "pointer": "/" + "/".join(map(str, fault["loc"][1:])),
                "reason": "bad_data",
                "detail": fault["msg"],
            }
            for fault in error.errors()
        ]
        return Problem(422, "Unprocessable Content", "the request does not fit its schema", errors).response()

    return app
