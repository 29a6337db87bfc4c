"""A stack on this machine: start it, play the demo on it, reach its database."""

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.chassis.texts import one_line
from services.cli.shared import HomeOption, ServiceArgument, console, known_service
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play
from services.local.roles import SERVICES, role_of


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
    """Start everything on this machine and stay; data live in the state folder."""
    from services.local.stack import Stack

    async def stay() -> None:
        names = [known_service(name) for name in services.split(",")]
        with console.status("starting ...") as status:
            async with (
                Home(home or default_home()) as folder,
                Stack(folder, status.update, services=names, topic_prefix=topic_prefix) as stack,
            ):
                status.stop()
                _print_addresses(stack)
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


def _print_addresses(stack: Any) -> None:
    table = Table(
        title=f"Vicino is up, after {stack.started_in_seconds:.1f} s", title_justify="left"
    )
    table.add_column("what")
    table.add_column("where", overflow="fold")
    for name in stack.ports:
        table.add_row(name, stack.address(name))
    for name in stack.services:
        table.add_row(f"{name}, inside: /readyz, /metrics", stack.inside(name))
    table.add_row("Kafka", stack.bootstrap)
    table.add_row("PostgreSQL", stack.postgres_address)
    table.add_row("operator token", stack.operator_token)
    table.add_row("data and logs", str(stack.home.path))
    console.print(table)
    console.print(
        "Look in at the console's address with the operator token. Ctrl-C stops everything."
    )


def demo(home: HomeOption = None) -> None:
    """Play the main job on a fresh stack and check every expectation; writes .vicino/demo.json."""
    from services.local.demo.story import run

    if not play(run(home or default_home(), console)):
        raise typer.Exit(1)


def dsn(name: ServiceArgument, home: HomeOption = None) -> None:
    """Print the DSN of a service's schema in a stack of `vicino up`, for VICINO_POSTGRES_URL or any client."""
    from services.local.stack import DATABASE

    folder, role = Home(home or default_home()), role_of(known_service(name))
    port = folder.recall("ports").get("postgres")
    if port is None:
        cannot_go_on(f"{folder.path} holds no PostgreSQL: was `vicino up` ever started there?")
    sys.stdout.write(f"postgresql://{role}:{folder.password(role)}@127.0.0.1:{port}/{DATABASE}\n")


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
