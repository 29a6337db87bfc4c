"""What the commands share: options, the console, tables."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.chassis.texts import one_line
from services.local.home import Home, default_home
from services.local.roles import SERVICES, role_of

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="State folder (default: .vicino, or VICINO_HOME).")
]
ServiceArgument = Annotated[
    str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(SERVICES)}.")
]
PostgresOption = Annotated[
    str, typer.Option(envvar="VICINO_POSTGRES_URL", help="The service's own DSN.")
]
DsnOption = Annotated[
    str,
    typer.Option(
        envvar="VICINO_POSTGRES_URL",
        help="The service's own DSN, if VICINO_<SERVICE>_URL does not name it.",
    ),
]
BootstrapOption = Annotated[
    str,
    typer.Option(
        envvar="VICINO_KAFKA_BOOTSTRAP",
        help="Brokers; how to get in is read from VICINO_KAFKA_USER and so on.",
    ),
]
PrefixOption = Annotated[
    str, typer.Option(envvar="VICINO_TOPIC_PREFIX", help="Before every topic.")
]
console = Console()


TABLE_WIDTH = 160
"""Of what is listed: a narrower terminal breaks its lines, and cuts none."""

UUID_WIDTH = 36


def show_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table that is cut nowhere: an id that is shown is copied into the next command."""
    table = Table(
        *(
            Column(name, overflow="fold", min_width=UUID_WIDTH if name == "id" else None)
            for name in columns
        )
    )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=max(console.width, TABLE_WIDTH)).print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return "" if value is None else escape(one_line(value))


def dsn_of(name: str, given: str) -> str:
    """The DSN given, or the one that the environment names for this service, or that of the stack that runs here."""
    own = f"VICINO_{known_service(name).upper()}_URL"
    if found := given or os.environ.get(own, ""):
        return found
    folder = Home(default_home())
    if folder.is_running() and (found := local_dsn(folder, name)):
        return found
    raise typer.BadParameter(
        f"no database is named: set VICINO_POSTGRES_URL or {own}, or start `vicino up`"
    )


def local_dsn(folder: Home, name: str) -> str:
    """The DSN of a service's schema in a stack's folder; empty when it holds no PostgreSQL."""
    from services.local.stack import DATABASE

    role, port = role_of(name), folder.recall("ports").get("postgres")
    return "" if port is None else f"postgresql://{role}:{folder.password(role)}@127.0.0.1:{port}/{DATABASE}"  # fmt: skip


def known_service(name: str) -> str:
    """The name, if a service has it."""
    if name not in SERVICES:
        raise typer.BadParameter(f"no service is called {name}: one of {', '.join(SERVICES)}")
    return name
