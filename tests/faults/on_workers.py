"""Faults of workers: killed at every named point, paused beyond their session, coming and going, restarted in turn."""

import asyncio
import signal
import time
from functools import partial
from typing import Any

import psutil

from schemas.topics import USAGE
from services.chassis.failpoints import POINTS
from services.local.process import Child
from tests.faults.servers import Servers
from tests.faults.verdict import Count
from tests.faults.world import EVENTS, SESSION_MS, Case, World, finish, world

STORM_SECONDS = 60.0
STANDSTILL_SECONDS = 30.0
STOP_SECONDS = 15.0


async def kill_at(on: Servers, seed: int, point: str) -> Count:
    """SIGKILL of a worker when it gets to a named point, the first to the fourth time; another process goes on."""
    async with world(on, seed) as case:
        times = 1 if point == "engine.acknowledged" else case.dice.randint(1, 4)
        doomed = await case.start_worker(f"{point}:{times}", instance="0")
        death = asyncio.create_task(doomed.wait())
        sending = asyncio.create_task(_send_until(death, case, pace_seconds=0.002))
        async with asyncio.timeout(60):
            code = await death
        await case.start_worker(instance="0")
        await sending
        return await finish(case) + Count(wrong=code != 128 + signal.SIGKILL)


async def kill_often(on: Servers, seed: int) -> Count:
    """SIGKILL at moments that nobody chose, over and over."""
    async with world(on, seed) as case:
        worker = await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.04))
        while not sending.done():
            await asyncio.sleep(case.dice.uniform(0.8, 2.0))
            await worker.kill()
            worker = await case.start_worker(instance="0")
        return await finish(case)


async def zombie(on: Servers, seed: int, point: str) -> Count:
    """A worker paused beyond its session, while another takes over, and then resumed."""
    async with world(on, seed) as case:
        paused = await case.start_worker(f"{point}:2:stop")
        pause = asyncio.create_task(_until_paused(paused.pid))
        sending = asyncio.create_task(_send_until(pause, case, pace_seconds=0.01))
        await pause
        await case.start_worker()
        await sending
        # Beyond the session: the pause itself is the fault.
        await asyncio.sleep(SESSION_MS / 1000 + 2)
        paused.resume()
        return await finish(case)


async def _send_until(reached: "asyncio.Task[Any]", case: World, pace_seconds: float) -> None:
    """Send what a case sends, and more until its failpoint is reached: a busy machine does it all in fewer rounds."""
    await case.send(EVENTS, pace_seconds)
    while not reached.done():
        await case.send(5, pace_seconds=0.05)


async def _until_paused(pid: int) -> None:
    async with asyncio.timeout(60):
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.05)


async def rebalance(on: Servers, seed: int) -> Count:
    """Workers come and go while slices are in progress."""
    async with world(on, seed) as case:
        first = await case.start_worker()
        sending = asyncio.create_task(case.send(EVENTS * 2, pace_seconds=0.02))
        for _ in range(3):
            other = await case.start_worker()
            await asyncio.sleep(case.dice.uniform(1.0, 2.0))
            await (other.stop() if case.dice.random() < 0.5 else first.kill())
            first = await case.start_worker() if not first.running else first
        await sending
        return await finish(case)


async def storm(on: Servers, seed: int) -> Count:
    """A worker added or removed every two seconds, for a minute; there is never no progress for half of one."""
    async with world(on, seed) as case:
        workers = [await case.start_worker()]
        sending = asyncio.create_task(case.send(int(STORM_SECONDS / 0.05), pace_seconds=0.05))
        watching = asyncio.create_task(_longest_standstill(case, sending))
        while not sending.done():
            await asyncio.sleep(2.0)
            if len(workers) < 2 or case.dice.random() < 0.5:
                workers.append(await case.start_worker())
            else:
                await workers.pop(case.dice.randrange(len(workers))).stop()
        return await finish(case) + Count(wrong=await watching > STANDSTILL_SECONDS)


async def _longest_standstill(case: World, sending: "asyncio.Task[None]") -> float:
    """Seconds for which no usage was committed, at the longest, while it was being sent."""
    longest, before, moved = 0.0, 0, time.monotonic()
    async with case.connected() as db:
        while not sending.done():
            query = (
                "select coalesce(sum(next_offset), 0)::int from consumer_offset where topic = $1"
            )
            now = await db.fetchval(query, USAGE.name)
            if now > before:
                before, moved = now, time.monotonic()
            longest = max(longest, time.monotonic() - moved)
            await asyncio.sleep(0.2)
    return longest


async def rolling_restart(on: Servers, seed: int) -> Count:
    """Two workers are stopped and started again, one after the other, twice; each stop is within 15 s."""
    async with world(on, seed) as case:
        workers = {name: await case.start_worker(instance=name) for name in ("0", "1")}
        sending = asyncio.create_task(case.send(EVENTS * 3, pace_seconds=0.02))
        slow = 0
        for name in ("0", "1", "0", "1"):
            await asyncio.sleep(case.dice.uniform(0.5, 1.5))
            slow += await _seconds_to_stop(workers[name]) > STOP_SECONDS
            workers[name] = await case.start_worker(instance=name)
        await sending
        return await finish(case) + Count(wrong=slow)


async def _seconds_to_stop(worker: Child) -> float:
    began = time.monotonic()
    await worker.stop()
    return time.monotonic() - began


CASES: dict[str, Case] = {
    **{f"kill -9 at {point}": partial(kill_at, point=point) for point in POINTS},
    "kill -9 at any moment, over and over": kill_often,
    "zombie, paused before its transaction": partial(zombie, point="engine.fetched"),
    "zombie, paused within its transaction": partial(zombie, point="engine.handled"),
    "zombie, paused after its commit": partial(zombie, point="engine.after_commit"),
    "rebalance while slices are in progress": rebalance,
    "rebalance storm": storm,
    "rolling restart under load": rolling_restart,
}
