"""A stack that runs on this machine: its addresses, whether it is ready, its logs, its settings, and its end."""

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from services.chassis.settings import PREFIX, SettingsWrong
from services.cli.answers import JsonOption, show
from services.cli.shared import HomeOption, console
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play
from services.local.roles import SERVICES

KEPT = "up"
"""Under what name a folder keeps what its stack says of itself."""

STOP_SECONDS = 60.0
READY_SECONDS = 5.0
LINES = 40
HIDDEN = "(set)"
EDGES = 40
"""What a table needs beside the texts of its columns, whichever row is the longest."""


def keep_addresses(stack: Any) -> list[list[str]]:
    """Keep what a stack prints of itself, for `vicino status` and for a second `vicino up`."""
    rows = [[name, stack.address(name)] for name in stack.ports]
    rows += [[f"{name}, inside: /readyz, /metrics", stack.inside(name)] for name in stack.services]
    rows += [
        ["Kafka", stack.bootstrap],
        ["PostgreSQL", stack.postgres_address],
        ["operator token", stack.operator_token],
        ["data and logs", str(stack.home.path)],
    ]
    inside = {name: stack.inside(name) for name in stack.services}
    stack.home.remember(KEPT, {"pid": os.getpid(), "addresses": rows, "inside": inside})
    return rows


@contextmanager
def addresses_forgotten(folder: Home) -> Iterator[None]:
    """Nothing of another stack is known in a folder, before this one says what it is and after its end.

    A stack that was killed left its process number behind, which another program may have by now; and its token.
    """
    folder.remember(KEPT, {})
    try:
        yield
    finally:
        folder.remember(KEPT, {})


def print_addresses(rows: Iterable[Iterable[str]]) -> None:
    """A table whose values can be copied: none is cut or folded."""
    table, width = Table("what", "where"), console.width
    for what, where in rows:
        table.add_row(what, where)
        width = max(width, len(what) + len(where) + EDGES)
    Console(width=width).print(table)


def running(folder: Home) -> dict[str, Any] | None:
    """What the stack that runs in a folder says of itself; None when none does, or it is not up yet."""
    return (folder.recall(KEPT) or None) if folder.is_running() else None


def made_settings(folder: Home) -> Any:
    """The settings that were made for a stack; what is wrong with one ends the command."""
    from services.local.stack_settings import settings_of

    try:
        return settings_of(folder.path, os.environ)
    except SettingsWrong as error:
        cannot_go_on(str(error))


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Whether each service of the stack is ready. Exits with 1 when one is not, or none runs."""
    folder = Home(home or default_home())
    found = running(folder)
    if found is None:
        cannot_go_on(f"no Vicino runs in {folder.path}: `vicino up` starts one")
    rows = play(_ready(found["inside"]))
    show(rows, ("service", "ready", "says"), as_json)
    if not all(row["ready"] for row in rows):
        raise typer.Exit(1)


async def _ready(inside: dict[str, str]) -> list[dict[str, Any]]:
    import aiohttp

    rows = []
    timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for name, address in inside.items():
            try:
                async with session.get(f"{address}/readyz") as answer:
                    ready, says = answer.status == 200, (await answer.text()).strip()
            except (aiohttp.ClientError, TimeoutError) as error:
                ready, says = False, type(error).__name__
            rows.append({"service": name, "ready": ready, "says": says})
    return rows


def address(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="gateway, billing or console.")],
    home: HomeOption = None,
) -> None:
    """Print where the API of a service is, in the stack that runs in the state folder."""
    folder = Home(home or default_home())
    found = running(folder)
    if found is None:
        cannot_go_on(f"no Vicino runs in {folder.path}")
    known = {what: where for what, where in found["addresses"] if what in SERVICES}
    if name not in known:
        raise typer.BadParameter(f"{name} has no API: one of {', '.join(known)}")
    typer.echo(known[name])


def stop(home: HomeOption = None) -> None:
    """Stop the stack that runs in the state folder; its data stay."""
    folder = Home(home or default_home())
    found = running(folder)
    if found is None:
        cannot_go_on(f"no Vicino runs in {folder.path}")
    try:
        os.kill(found["pid"], signal.SIGTERM)
    except (ProcessLookupError, PermissionError) as error:
        cannot_go_on(f"process {found['pid']} cannot be asked to stop: {type(error).__name__}")
    deadline = time.monotonic() + STOP_SECONDS
    while folder.is_running():
        if time.monotonic() > deadline:
            cannot_go_on(f"process {found['pid']} has not stopped within {STOP_SECONDS:.0f} s")
        time.sleep(0.1)
    console.print("stopped; the data stay, and `vicino up` goes on from here.")


def logs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PART]...", help="Of these; of all if not said.")
    ] = None,
    home: HomeOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The last so many of each.")] = LINES,
) -> None:  # fmt: skip
    """The end of the logs of the stack's parts: services, postgres, kafka-1."""
    folder = (home or default_home()) / "logs"
    there = {file.stem: file for file in sorted(folder.glob("*.log"))}
    if unknown := sorted(set(names or ()) - there.keys()):
        cannot_go_on(f"no log of {', '.join(unknown)}: there are {', '.join(there) or 'none'}")
    for name, file in there.items():
        if not names or name in names:
            text = file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            for line in text:
                typer.echo(line if names and len(names) == 1 else f"{name}: {line}")


def settings(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What is in force in a stack of `vicino up`: each setting, its value, and where it was made. Secrets are not shown."""
    from services.local.environment import known, settings_class

    given = made_settings(Home(home or default_home()))
    rows: dict[str, dict[str, Any]] = {}
    for service in SERVICES:
        for field, about in settings_class(service).model_fields.items():
            name = f"{PREFIX}{field}".upper()
            if name not in known(service):
                continue
            if name not in rows:
                value, origin = _in_force(name, about, given)
                rows[name] = {
                    "setting": name,
                    "value": value,
                    "origin": origin,
                    "services": service,
                }
            else:
                rows[name]["services"] += f", {service}"
    show([rows[name] for name in sorted(rows)], ("setting", "value", "origin", "services"), as_json)


def _in_force(name: str, about: Any, given: Any) -> tuple[Any, str]:
    """The value of a setting as it is shown, and where it was made."""
    from services.local.stack_settings import (
        DECIDED_HERE,
        DEFAULTS,
        KEPT_IN_THE_HOME,
        secret_names,
    )

    if name in given:
        value = given[name].value
        return (HIDDEN if name in secret_names() else without_login(value)), given[name].origin
    if name in KEPT_IN_THE_HOME:
        return HIDDEN, "the state folder"
    if name in DECIDED_HERE:
        return "", "the stack"
    if name in DEFAULTS:
        return DEFAULTS[name], "the stack"
    return without_login(about.get_default(call_default_factory=True)), "default"


def without_login(value: Any) -> Any:
    """An address without the user and the password in it; any other value as it is."""
    if not isinstance(value, str) or "://" not in value or "@" not in value:
        return json.loads(json.dumps(value, default=str))
    scheme, _, rest = value.partition("://")
    return f"{scheme}://...@{rest.rpartition('@')[2]}"
