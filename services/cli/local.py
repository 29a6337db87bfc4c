"""A stack on this machine: start it, play the demo on it, reach its database."""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from services.chassis.texts import one_line
from services.cli.running import (
    addresses_forgotten,
    keep_addresses,
    made_settings,
    print_addresses,
    running,
)
from services.cli.shared import HomeOption, ServiceArgument, console, known_service, local_dsn
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play
from services.local.roles import SERVICES

PLAY = "play"
"""The folder, within the state folder, of a demo that stays."""


def up(
    home: HomeOption = None,
    services: Annotated[str, typer.Option(help="Comma-separated; all if not said.")] = ",".join(
        SERVICES
    ),
    topic_prefix: Annotated[
        str,
        typer.Option(
            envvar="VICINO_TOPIC_PREFIX", help="Before every topic, on a broker shared with others."
        ),
    ] = "",
) -> None:
    """Start everything on this machine and stay; data live in the state folder.

    Settings come from the environment and from settings.env in the state folder: see `vicino settings`.
    """
    from services.local.stack import Stack
    from services.local.stack_settings import USUAL_PORTS, check, ports_of

    folder = Home(home or default_home())
    if folder.is_running() and (found := running(folder)) is not None:
        console.print(f"Vicino is up already in {folder.path}; nothing was started.")
        print_addresses(found["addresses"])
        return
    given = made_settings(folder)
    values = {name: one.value for name, one in given.items()}

    async def stay() -> None:
        names = [known_service(name) for name in services.split(",")]
        check(given)
        async with AsyncExitStack() as life:
            status = life.enter_context(console.status("starting ..."))
            await life.enter_async_context(folder)
            life.enter_context(addresses_forgotten(folder))
            stack = await life.enter_async_context(
                Stack(
                    folder, status.update, services=names, topic_prefix=topic_prefix, environment=values,
                    ports=ports_of(given), usual_ports=USUAL_PORTS,
                )
            )  # fmt: skip
            status.stop()
            console.print(f"Vicino is up, after {stack.started_in_seconds:.1f} s")
            print_addresses(keep_addresses(stack))
            console.print(
                "Look in at the console with the operator token. Ctrl-C stops everything."
            )
            stack.report_to(_say)
            # Asked to stop: that is how `up` ends, not a failure.
            with suppress(asyncio.CancelledError):
                await stack.lost()
            console.print("stopping ...")

    play(stay())
    console.print("stopped; the data stay, and `vicino up` goes on from here.")


def _say(what: str) -> None:
    console.print(
        f"{datetime.now(UTC):%H:%M:%S}Z {escape(one_line(what))}", highlight=False, soft_wrap=True
    )


def demo(home: HomeOption = None) -> None:
    """Play the main job on a fresh stack and check every expectation; writes .vicino/demo.json."""
    from services.local.demo.story import run

    if not play(run(home or default_home(), console)):
        raise typer.Exit(1)


def play_on(home: HomeOption = None) -> None:
    """Play the demo's story in a folder of its own, and stay: the console is full, and the clock is in your hand."""
    from services.local.demo.stage import Stage
    from services.local.demo.staying import stay

    folder = Home((home or default_home()) / PLAY)

    def begin(stage: Stage) -> None:
        print_addresses(keep_addresses(stage.stack))
        console.print(
            f"The world stays. In another terminal: export VICINO_HOME={folder.path}\n"
            "  vicino tenants list, vicino clock show, vicino clock set +1d, and every other command.\n"
            "Look in at the console with the operator token. Ctrl-C ends it; the next one begins anew.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip

    async def staying() -> None:
        with addresses_forgotten(folder), suppress(asyncio.CancelledError):
            await stay(folder, console, begin)
        console.print("stopping ...")

    if folder.is_running():
        cannot_go_on(f"it plays already: VICINO_HOME={folder.path} vicino status")
    folder.path.mkdir(parents=True, exist_ok=True)
    play(staying())
    console.print("stopped.")


def dsn(name: ServiceArgument, home: HomeOption = None) -> None:
    """Print the DSN of a service's schema in a stack of `vicino up`, for VICINO_POSTGRES_URL or any client."""
    folder = Home(home or default_home())
    found = local_dsn(folder, known_service(name))
    if not found:
        cannot_go_on(f"{folder.path} holds no PostgreSQL: was `vicino up` ever started there?")
    sys.stdout.write(f"{found}\n")


def kafka_login(
    who: Annotated[
        str,
        typer.Argument(metavar="WHO", help=f"admin, operator, or one of {', '.join(SERVICES)}."),
    ],
    home: HomeOption = None,
    properties: Annotated[
        bool, typer.Option(help="As a file for Kafka's own tools and kcat.")
    ] = False,
) -> None:
    """Print how to get into Kafka in a stack of `vicino up`: as VICINO_KAFKA_… settings, or as client properties."""
    from services.local.access import logins_of

    folder = Home(home or default_home())
    found = logins_of(folder.recall("ports"), folder.password)
    if found is None:
        cannot_go_on(f"{folder.path} holds no Kafka: was `vicino up` ever started there?")
    if who not in found:
        raise typer.BadParameter(f"nobody is called {who}: one of {', '.join(found)}")
    said = found[who].properties() if properties else found[who].environment()
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in said.items()))
