"""The door for events, as bare ASGI before the FastAPI app, which describes it: it is asked thousands of times a second.

What it does is the app's own: the same authentication, bounds, reading and answers, without the routing, the solving of
dependencies and the wrapping that every other route gets. A request that is not exactly this one goes to the app.
"""

from fastapi import FastAPI, Request
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import Receive, Scope, Send

from services.chassis.gate import NoStore
from services.gateway.doors import EVENTS_PATH, Doors

HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class EventsDoor:
    """An ASGI app: `POST /v1/events` without a query here, everything else by the FastAPI app."""

    def __init__(self, app: FastAPI, doors: Doors) -> None:
        self.app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        is_ours = scope["type"] == "http" and (
            scope["path"] == EVENTS_PATH and scope["method"] == "POST" and not scope["query_string"]
        )
        await (self._events if is_ours else self.app)(scope, receive, send)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            await self._doors.admit(request)  # reads no byte of the body
            body = await self._doors.events(request)
        except Exception as error:  # noqa: BLE001 - the app answers it, or raises it
            await self._failed(error, scope, receive, send)
            return
        headers = [*HEADERS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _failed(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an error as the app does."""

        async def fail(_: Scope, __: Receive, ___: Send) -> None:
            raise error

        handled = ExceptionMiddleware(fail, handlers=self.app.exception_handlers)
        await NoStore(ServerErrorMiddleware(handled))(scope, receive, send)
