"""Questions of a live month over HTTP: a preview of the next documents, and whether usage may go on below a cap."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import aiohttp

from benchmarks.invoicing.facts import CALLS
from benchmarks.report import Row
from tests.support.furnishing import service_id, tenant_id

RATE, SECONDS = 50, 8
TOKEN = "operator-for-benchmarks"

Question: TypeAlias = Callable[[aiohttp.ClientSession, int], Awaitable[int]]
"""Asks, and gives the status of the answer."""


async def asked_at(base: str, what: Question) -> list[float]:
    """Milliseconds to each answer, at a steady rate, however long the ones before took. Raises for any but 200."""
    found: list[float] = []

    async def one(session: aiohttp.ClientSession, n: int, at: float) -> None:
        status = await what(session, n)
        if status != 200:
            raise AssertionError(f"{status} instead of an answer")
        found.append((time.perf_counter() - at) * 1000)

    async with aiohttp.ClientSession(base, headers={"authorization": f"Bearer {TOKEN}"}) as session:
        await _up(session)
        began, tasks = time.perf_counter(), []
        for n in range(RATE * SECONDS):
            at = began + n / RATE
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            tasks.append(asyncio.create_task(one(session, n, at)))
        await asyncio.gather(*tasks)
    return sorted(found)


async def _up(session: aiohttp.ClientSession) -> None:
    """Wait for the first answer of any kind."""
    for _ in range(300):
        try:
            async with session.get("/"):
                return
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.1)
    raise TimeoutError("nothing answers")


async def questions(base: str, tenants: int) -> list[Row]:
    """Both, each at its rate."""

    async def preview(session: aiohttp.ClientSession, n: int) -> int:
        async with session.post(f"/v1/tenants/{tenant_id(n % tenants)}/preview", json={}) as answer:
            await answer.read()
            return answer.status

    async def may(session: aiohttp.ClientSession, n: int) -> int:
        params = {"service_id": service_id(n % tenants), "meter": CALLS}
        async with session.get(
            f"/v1/tenants/{tenant_id(n % tenants)}/may", params=params
        ) as answer:
            await answer.read()
            return answer.status

    rows = []
    for name, what, goal in (
        ("preview", preview, "< 50 ms at 1,000/s"),
        ("may", may, "< 5 ms at 1,000/s"),
    ):
        late = await asked_at(base, what)
        rows += [
            Row.of(f"{name} at {RATE}/s, p50 ms", late[len(late) // 2]),
            Row.of(f"{name} at {RATE}/s, p99 ms", late[int(len(late) * 0.99)], goal=goal),
        ]
    return rows
