"""Another service's API, asked for what a door shows: bounded in time and size, and never in the way of events."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec

from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway import metrics

TIMEOUT_SECONDS = 8.0
CONNECTIONS = 16
"""At once to one service. Who comes beyond it waits, within the time-out."""

BODY_BYTES_MAX = 32 * 1024 * 1024
RETRY_AFTER_SECONDS = 2
MEANT = (200, 400, 404, 422)
"""Answers that are about the question; any other is about the two services, and the reader can do nothing."""

log = logger(__name__)


class Seen(NamedTuple):
    """An answer of another service."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class OtherService:
    """Asks one service, with the operator's token. `url` is where its API is; None: it is not set up."""

    def __init__(self, name: str, url: str | None, token: str, setting: str) -> None:
        self._name, self._url, self._setting = name, url, setting
        self._headers = {"authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def keep(self, runtime: Runtime) -> None:
        """Close the connections when the service stops."""
        try:
            await runtime.stopping.wait()
        finally:
            if self._session is not None:
                await self._session.close()

    async def get(self, path: str, params: Mapping[str, Any]) -> Seen:
        """Ask; parameters that are None are left out. Raises `Problem` 503 when there is no answer that means anything."""
        if self._url is None:
            raise self._unavailable(f"not set up: the operator sets {self._setting}")
        try:
            seen = await self._asked(self._url.rstrip("/") + path, params)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("no answer from another service", service=self._name, error=repr(error))
            raise self._unavailable("unavailable") from None
        if seen.status not in MEANT or not _is_json(seen):
            log.warning("another service cannot answer", service=self._name, status=seen.status)
            raise self._unavailable("unavailable")
        metrics.READS.labels(self._name, "answered").inc()
        return seen

    async def _asked(self, url: str, params: Mapping[str, Any]) -> Seen:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                headers=self._headers,
            )
        said = [
            (name, str(text))
            for name, value in params.items()
            if value is not None
            for text in (value if isinstance(value, list) else [value])
        ]
        async with self._session.get(url, params=said, allow_redirects=False) as answer:
            text = await answer.content.read(BODY_BYTES_MAX + 1)
            while not answer.content.at_eof() and len(text) <= BODY_BYTES_MAX:
                text += await answer.content.read(BODY_BYTES_MAX + 1)
            if len(text) > BODY_BYTES_MAX:
                raise aiohttp.ClientPayloadError("more than a door passes on")
            return Seen(answer.status, text, answer.headers)

    def _unavailable(self, why: str) -> Problem:
        metrics.READS.labels(self._name, "unavailable").inc()
        return Problem(
            503, "Service Unavailable", f"{self._name} is {why}; events are accepted as ever",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )  # fmt: skip


def _is_json(seen: Seen) -> bool:
    """Whether it is one of ours: what stands at a wrong address answers in HTML, or with half a document."""
    try:
        found = msgspec.json.decode(seen.body)
    except msgspec.DecodeError:
        return False
    return seen.status == 200 or (isinstance(found, dict) and {"title", "detail"} <= found.keys())
