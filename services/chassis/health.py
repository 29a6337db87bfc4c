"""`/metrics`, `/healthz`, `/readyz`. Healthy: the event loop turns. Ready: everything that should move, moves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.chassis import metrics
from services.chassis.database import Pool

PING_TIMEOUT_SECONDS = 2.0

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
Problems = Callable[[], list[str]]


def _answer(respond: Callable[[], Awaitable[tuple[int, str, bytes]]]) -> AsgiApp:
    """An ASGI endpoint from a function that returns status, content type and body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status, content_type, body = await respond()
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def database_problems(pool: Pool) -> list[str]:
    """Why the database does not answer; empty when it does."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_SECONDS), pool.acquire() as db:
            await db.fetchval("select 1")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return [f"database: {error!r}"]
    return []


def endpoints(pool: Callable[[], Pool], checks: Callable[[], list[Problems]]) -> list[tuple[str, AsgiApp]]:
    """The three endpoints, by path."""

    async def metrics_page() -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE_LATEST, generate_latest()

    async def healthz() -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"status":"alive"}'

    async def readyz() -> tuple[int, str, bytes]:
        problems = await database_problems(pool())
        for check in checks():
            problems += check()
        metrics.READY.set(not problems)
        body = msgspec.json.encode({"status": "not ready" if problems else "ready", "problems": problems})
        return 503 if problems else 200, "application/json", body

    return [("/metrics", _answer(metrics_page)), ("/healthz", _answer(healthz)), ("/readyz", _answer(readyz))]
