"""`vicino resellers`: who serves tenants, with which keys, and where their webhooks go."""

from typing import Annotated

import typer

from services.cli.answers import JsonOption, print_json, show
from services.cli.door import FileArgument, RevisionOption, ask, etag_of, read_json
from services.cli.shared import HomeOption, console

PATH = "/operator/v1/resellers"
ResellerArgument = Annotated[str, typer.Argument(metavar="RESELLER", help="Its id.")]
resellers_app = typer.Typer(no_args_is_help=True, help="Resellers: register, look, give keys.")


@resellers_app.command("list")
def resellers_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every reseller: where it is, how many tenants it takes, whether its webhooks are sent."""
    names = ("reseller_id", "name", "comune", "tier", "capacity", "webhook_url", "webhook_open", "keys")  # fmt: skip
    show(ask(home, "GET", PATH).body, names, as_json)


@resellers_app.command("show")
def resellers_show(reseller: ResellerArgument, home: HomeOption = None) -> None:
    """Print a reseller as it was put, as JSON that can be edited and put again."""
    print_json(ask(home, "GET", f"{PATH}/{reseller}").body)


@resellers_app.command("add")
def resellers_add(
    reseller: ResellerArgument,
    file: FileArgument,
    home: HomeOption = None,
    revision: RevisionOption = None,
) -> None:
    """Register a reseller, or change what is known of it. Its key and signing secret are printed once."""
    found = ask(home, "PUT", f"{PATH}/{reseller}", read_json(file), etag_of(revision)).body
    if "api_key" in found:
        print_json(found)
    else:
        console.print(f"Changed, with revision {found['revision']}.")


@resellers_app.command("withdraw")
def resellers_withdraw(reseller: ResellerArgument, home: HomeOption = None) -> None:
    """End the keys of a reseller that serves nobody any more; it gets no new tenant. Move its tenants first."""
    ask(home, "DELETE", f"{PATH}/{reseller}")
    console.print("Withdrawn. It is still notified of what it is owed.")


@resellers_app.command("key")
def resellers_key(reseller: ResellerArgument, home: HomeOption = None) -> None:
    """Print a second key; at most two are live."""
    typer.echo(ask(home, "POST", f"{PATH}/{reseller}/keys").body["api_key"])


@resellers_app.command("secret")
def resellers_secret(reseller: ResellerArgument, home: HomeOption = None) -> None:
    """Print a new signing secret; the one before signs along for a day."""
    typer.echo(ask(home, "POST", f"{PATH}/{reseller}/webhook-secret").body["webhook_secret"])
