"""Several applications behind one port, told apart by the first part of the path."""

from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from services.chassis.health import AsgiApp


class Branches:
    """An ASGI app: `branches` by their paths (`/mia` has all of `/mia/...`), and everything else."""

    def __init__(self, trunk: AsgiApp, branches: Mapping[str, AsgiApp]) -> None:
        self._trunk, self._branches = trunk, branches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        is_http = scope["type"] == "http"
        first = "/" + scope["path"].lstrip("/").partition("/")[0] if is_http else ""
        await self._branches.get(first, self._trunk)(scope, receive, send)
