"""`vicino catalogue`: what is on sale, as it stands and as it would be."""

import difflib
import json
from typing import Any

import typer

from services.cli.answers import print_json
from services.cli.door import FileArgument, RevisionOption, ask, etag_of, read_json
from services.cli.shared import HomeOption, console
from services.local.play import cannot_go_on

PATH = "/operator/v1/catalogue"
catalogue_app = typer.Typer(
    no_args_is_help=True, help="What is on sale: read it, check a new one, put it into force."
)


@catalogue_app.command("get")
def catalogue_get(home: HomeOption = None) -> None:
    """Print the catalogue that was put last, as JSON that can be edited and put again."""
    print_json(ask(home, "GET", PATH).body)


@catalogue_app.command("check")
def catalogue_check(file: FileArgument) -> None:
    """Say what the door would refuse in a catalogue, without asking it."""
    _check(read_json(file))
    console.print("The door would accept it.")


def _check(content: Any) -> None:
    from services.gateway.operator_requests import catalogue_faults

    if found := catalogue_faults(content):
        cannot_go_on("\n".join(f"{f['pointer']}: {f['detail']} ({f['reason']})" for f in found))


@catalogue_app.command("diff")
def catalogue_diff(file: FileArgument, home: HomeOption = None) -> None:
    """What a file would change of the catalogue that stands. Exits with 1 when it would change anything."""
    changes = _changes(ask(home, "GET", PATH).body, read_json(file))
    for line in changes:
        typer.echo(line)
    if changes:
        raise typer.Exit(1)
    console.print("It is the catalogue that stands.")


def _changes(before: Any, after: Any) -> list[str]:
    from services.gateway.operator_requests import CatalogueSpec

    _check(after)
    after = CatalogueSpec.model_validate(after).model_dump(
        mode="json"
    )  # with what a file may leave out
    stands, file = _text(before), _text(after)
    return list(difflib.unified_diff(stands, file, "stands", "file", lineterm="", n=2))


def _text(catalogue: Any) -> list[str]:
    return json.dumps(catalogue, indent=1, ensure_ascii=False, sort_keys=True).splitlines()


@catalogue_app.command("put")
def catalogue_put(
    file: FileArgument,
    home: HomeOption = None,
    revision: RevisionOption = None,
) -> None:
    """Put a catalogue into force."""
    found = ask(home, "PUT", PATH, read_json(file), etag_of(revision))
    console.print(f"The catalogue is published, with revision {found.body['revision']}.")
