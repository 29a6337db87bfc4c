"""Keeps what a stack started alive: what ends by itself is started again, or the stack ends and says why."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.chassis.backoff import Backoff

RESTART = Backoff(first_seconds=0.5, max_seconds=15)
STEADY_SECONDS = 30.0
"""A part that ran this long has recovered: its next end is a first one again."""

ATTEMPTS_MAX = 5
"""A server that ends this often, each time before it was steady, will not stay: a person must look."""

Report = Callable[[str], None]


class PartLost(RuntimeError):
    """A server of the stack ends again and again."""


async def keep_alive(
    name: str, ended: Callable[[], Awaitable[int]], start: Callable[[], Awaitable[None]], report: Report, where: str,
    attempts_max: int | None = None,
) -> None:  # fmt: skip
    """Start a part again whenever it ends. `where` names its log.

    Raises `PartLost` when it has ended, or could not be started, `attempts_max` times in a row; for ever if that is None.
    """
    failures = 0
    while True:
        began = time.monotonic()
        code = await ended()
        failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
        while True:
            if attempts_max is not None and failures >= attempts_max:
                raise PartLost(
                    f"{name} ended {failures} times in a row, the last time with {code}; its log: {where}"
                )
            report(f"{name} ended with {code}; starting it again (its log: {where})")
            await asyncio.sleep(RESTART.seconds(failures))
            try:
                await start()
            except (RuntimeError, TimeoutError, OSError) as error:
                report(f"{name} could not be started: {error}")
                failures += 1
            else:
                break
