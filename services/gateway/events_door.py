"""The door for events, as bare ASGI before the FastAPI app, which describes it: it is asked thousands of times a second.

What it does is the app's own: the same authentication, bounds, reading and answers, without the routing, the solving of
dependencies and the wrapping that every other route gets. A request that is not exactly this one goes to the app.
"""

from fastapi import FastAPI, Request
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.gate import NoStore
from services.gateway.doors import EVENTS_PATH, Doors


class EventsDoor:
    """An ASGI app: `POST /v1/events` without a query here, everything else by the FastAPI app."""

    def __init__(self, app: FastAPI, doors: Doors) -> None:
        self.app, self._doors = app, doors
        handled = ExceptionMiddleware(self._events, handlers=app.exception_handlers)
        self._route: ASGIApp = NoStore(ServerErrorMiddleware(handled))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        is_ours = scope["type"] == "http" and (
            scope["path"] == EVENTS_PATH and scope["method"] == "POST" and not scope["query_string"]
        )
        await (self._route if is_ours else self.app)(scope, receive, send)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._doors.admit(Request(scope))  # without `receive`: no byte of the body is read
        answer = await self._doors.events(Request(scope, receive))
        await answer(scope, receive, send)
