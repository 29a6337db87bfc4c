"""Another service's API, asked with the operator's token: bounded in time and size, and never in the way of events."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec
from prometheus_client import Counter

from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.chassis.web import Problem

TIMEOUT_SECONDS = 8.0
CONNECTIONS = 16
"""At once to one service. Who comes beyond it waits, within the time-out."""

BODY_BYTES_MAX = 32 * 1024 * 1024
RETRY_AFTER_SECONDS = 2
FAULTS = 400
ABOUT_QUESTIONS = frozenset({200, 400, 404, 422})
"""Answers that are about the question; any other is about the two services, and the reader can do nothing."""

ABOUT_REQUESTS = frozenset({200, 201, 202, 400, 404, 409, 413, 422})
"""The same of what asks for something to be done."""

log = logger(__name__)


class Seen(NamedTuple):
    """An answer of another service."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class OtherService:
    """Asks one service, with the operator's token. `url` is where its API is; None: it is not set up.

    `asked` counts by the service's name and by outcome: `answered`, or `unavailable`. `meanwhile` says what holds then.
    """

    def __init__(
        self, name: str, url: str | None, token: str, setting: str, asked: Counter, meanwhile: str
    ) -> None:
        self._name, self._url, self._setting, self._asked = name, url, setting, asked
        self._meanwhile = meanwhile
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
        said = [
            (name, str(text))
            for name, value in params.items()
            if value is not None
            for text in (value if isinstance(value, list) else [value])
        ]
        return await self._ask("GET", path, ABOUT_QUESTIONS, params=said)

    async def send(
        self, method: str, path: str, content: Any, media_type: str = "application/json"
    ) -> Seen:
        """Ask for something to be done. Raises `Problem` 503: then perhaps it was done."""
        headers, body = {"content-type": media_type}, msgspec.json.encode(content)
        return await self._ask(method, path, ABOUT_REQUESTS, data=body, headers=headers)

    async def _ask(self, method: str, path: str, meant: Collection[int], **request: Any) -> Seen:
        if self._url is None:
            raise self._unavailable(f"not set up: the operator sets {self._setting}")
        try:
            seen = await self._answer(method, self._url.rstrip("/") + path, request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("no answer from another service", service=self._name, error=repr(error))
            raise self._unavailable("unavailable") from None
        if seen.status not in meant or not _is_json(seen):
            log.warning("another service cannot answer", service=self._name, status=seen.status)
            raise self._unavailable("unavailable")
        self._asked.labels(self._name, "answered").inc()
        return seen

    async def _answer(self, method: str, url: str, request: Mapping[str, Any]) -> Seen:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                headers=self._headers,
            )
        async with self._session.request(method, url, allow_redirects=False, **request) as answer:
            text = await answer.content.read(BODY_BYTES_MAX + 1)
            while not answer.content.at_eof() and len(text) <= BODY_BYTES_MAX:
                text += await answer.content.read(BODY_BYTES_MAX + 1)
            if len(text) > BODY_BYTES_MAX:
                raise aiohttp.ClientPayloadError("more than a door passes on")
            return Seen(answer.status, text, answer.headers)

    def _unavailable(self, why: str) -> Problem:
        self._asked.labels(self._name, "unavailable").inc()
        return Problem(
            503, "Service Unavailable", f"{self._name} is {why}; {self._meanwhile}",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )  # fmt: skip


def _is_json(seen: Seen) -> bool:
    """Whether it is one of ours: what stands at a wrong address answers in HTML, or with half a document."""
    try:
        found = msgspec.json.decode(seen.body)
    except msgspec.DecodeError:
        return False
    return seen.status < FAULTS or (isinstance(found, dict) and {"title", "detail"} <= found.keys())
