"""How a command runs: signals end it cleanly, and an expected failure is one line, not a trace."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import typer
from asyncpg import InvalidAuthorizationSpecificationError, InvalidCatalogNameError
from confluent_kafka import KafkaException
from rich.console import Console
from rich.markup import escape

from services.chassis.texts import lines
from services.local.home import HomeBusy
from services.local.jars import JarsMissing

PARENT_CHECK_SECONDS = 0.3

AWAY = (OSError, KafkaException, InvalidAuthorizationSpecificationError, InvalidCatalogNameError)
"""A server cannot be reached, or does not let us in: the environment's fault, not the program's."""


def cannot_go_on(why: str) -> NoReturn:
    """End the command with a line that says why."""
    Console(stderr=True).print(
        f"[bold red]Vicino cannot go on:[/] {escape(lines(why))}", highlight=False
    )
    raise typer.Exit(1)


async def _when_make_is_gone(stop: Callable[[], Any]) -> None:
    """What `make` started does not outlive it: a `kill -9` of make does not signal its children."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    stop()


def play(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine; SIGTERM ends it as Ctrl-C does, cleanly. Expected failures are printed as a line, without a traceback."""

    async def guarded() -> Any:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        watch = (
            asyncio.create_task(_when_make_is_gone(task.cancel))
            if "MAKELEVEL" in os.environ
            else None
        )
        try:
            return await task
        finally:
            if watch is not None:
                watch.cancel()

    try:
        return asyncio.run(guarded())
    except (asyncio.CancelledError, KeyboardInterrupt):
        Console().print("stopped.")
        raise typer.Exit(130) from None
    except (HomeBusy, JarsMissing, RuntimeError, *AWAY) as error:
        cannot_go_on(str(error) or "no answer in time")
