"""`/metrics`, `/healthz`, `/readyz`. Healthy: the event loop turns. Ready: everything that should move, moves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.chassis import metrics
from services.chassis.database import Pool, error_text
from services.chassis.logs import logger

PING_TIMEOUT_SECONDS = 2.0

log = logger(__name__)

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
Problems = Callable[[], list[str]]


def _answer(respond: Callable[[], Awaitable[tuple[int, str, bytes]]]) -> AsgiApp:
    """An ASGI endpoint from a function that returns status, content type and body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status, content_type, body = await respond()
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def database_problems(pool: Pool, url: str) -> list[str]:
    """Why the database cannot be used; empty when it can.

    Asks the pool, and for a new connection too: one that the pool holds answers also when no other is to be had.
    What the server said stays in the log: it may name hosts and roles.
    """
    asked = {"pool": _ask_pool(pool), "new connection": _ask_for_another(url)}
    answers = await asyncio.gather(*asked.values(), return_exceptions=True)
    problems = []
    for part, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Exception):
            log.warning("the database is unavailable", part=part, error=error_text(answer))
            problems.append(f"database: {part} is unavailable")
        elif isinstance(answer, BaseException):
            raise answer
    return problems


async def _ask_pool(pool: Pool) -> None:
    async with asyncio.timeout(PING_TIMEOUT_SECONDS), pool.acquire() as db:
        await db.fetchval("select 1")


async def _ask_for_another(url: str) -> None:
    async with asyncio.timeout(PING_TIMEOUT_SECONDS):
        connection = await asyncpg.connect(url, timeout=PING_TIMEOUT_SECONDS)
    try:
        async with asyncio.timeout(PING_TIMEOUT_SECONDS):
            await connection.fetchval("select 1")
            await connection.close()
    finally:
        connection.terminate()


def endpoints(
    pool: Callable[[], Pool], url: str, checks: Callable[[], list[Problems]]
) -> list[tuple[str, AsgiApp]]:
    """The three endpoints, by path. `url` is the DSN that readiness asks for a new connection."""

    async def found() -> list[str]:
        problems = await database_problems(pool(), url)
        for check in checks():
            problems += check()
        metrics.READY.set(not problems)
        return problems

    async def metrics_page() -> tuple[int, str, bytes]:
        await found()  # so that whoever watches metrics knows, though nobody asks /readyz
        return 200, CONTENT_TYPE_LATEST, generate_latest()

    async def healthz() -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"status":"alive"}'

    async def readyz() -> tuple[int, str, bytes]:
        problems = await found()
        body = msgspec.json.encode(
            {"status": "not ready" if problems else "ready", "problems": problems}
        )
        return 503 if problems else 200, "application/json", body

    return [
        ("/metrics", _answer(metrics_page)),
        ("/healthz", _answer(healthz)),
        ("/readyz", _answer(readyz)),
    ]
