"""What stands before every API: the sender is authenticated before a byte of the body is read.

FastAPI reads and parses a body before it asks its dependencies. So the question is asked here, outside of it, and with it
what holds for every route: a path and a query that are text, a bounded body, and an answer that no cache keeps.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WITH_BODIES = ("POST", "PUT")
"""Only by these a path may take a large one."""

BODY_BYTES = 64 * 1024
"""What an API reads of a body at most, unless a route is named with more."""

Admit = Callable[[Request], Awaitable[None]]
"""Lets a request in, or raises `Problem`. Must not read the body."""

DOCUMENT = "/openapi.json"


class Gate:
    """An ASGI middleware. `public` names the paths that need no key; `large` the paths with a larger body."""

    def __init__(
        self,
        app: ASGIApp,
        admit: Admit,
        public: frozenset[str],
        large: Mapping[str, int],
        body_bytes: int,
    ) -> None:
        self._app, self._admit, self._public = app, admit, public | {DOCUMENT}
        self._large, self._body_bytes = large, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise what it is refused with."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _check_text(scope)
        request = Request(scope)  # without `receive`: whoever admits cannot wait for the body
        if scope["path"] not in self._public:
            await self._admit(request)
        limit = self._body_bytes
        if scope["method"] in WITH_BODIES:
            limit = self._large.get(scope["path"], limit)
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        await self._app(scope, _bounded(receive, limit), send)


class NoStore:
    """An ASGI middleware: no cache keeps an answer, unless its route says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add `Cache-Control: no-store`."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, marked)


def _check_text(scope: Scope) -> None:
    """A path that is no text is nowhere (404); a query that is none is refused (400)."""
    if _text(scope.get("raw_path") or scope["path"].encode()) is None:
        raise HTTPException(404)
    query = _text(scope["query_string"])
    if query is None or has_controls(query):
        raise HTTPException(400, "the query is not UTF-8 without control characters")


def _text(raw: bytes) -> str | None:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def has_controls(text: str) -> bool:
    """Whether there are characters that no name has. PostgreSQL keeps no NUL."""
    return any(ord(character) < 0x20 or ord(character) == 0x7F for character in text)


def _bounded(receive: Receive, limit: int) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return bounded


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"a body may have {limit} bytes")
