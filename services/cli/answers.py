"""What the commands about money share: whom they are about, how they answer, and how a refusal reads."""

import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Annotated, Any

import typer

from services.cli.shared import show_table
from services.local.play import cannot_go_on, play

TenantArgument = Annotated[str, typer.Argument(help="Its id or external id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def done(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command; a refusal by billing is printed as one line."""
    from services.billing.tools import REFUSED

    try:
        return play(work)
    except REFUSED as error:
        cannot_go_on(str(error))


def print_json(found: Any) -> None:
    """Whatever a command found, indented."""
    typer.echo(json.dumps(found, default=str, ensure_ascii=False, indent=2))


def show(rows: Sequence[Mapping[str, Any]], names: Sequence[str], as_json: bool) -> None:
    """Rows as JSON, or as a table with these columns."""
    if as_json:
        print_json(rows)
    else:
        columns = [name.replace("_", " ") for name in names]
        show_table(columns, ([row[name] for name in names] for row in rows))
