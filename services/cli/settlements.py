"""`vicino settlements`: what resellers are paid for a quarter."""

import json
from typing import Annotated

import typer

from services.cli.answers import JsonOption, done
from services.cli.shared import PostgresOption, console, show_table

settlements_app = typer.Typer(no_args_is_help=True, help="What resellers are paid for a quarter.")
QuarterArgument = Annotated[str, typer.Argument(help="Such as 2026-Q4.")]


@settlements_app.command("statement")
def settlements_statement(
    reseller_id: Annotated[str, typer.Argument(help="The reseller.")],
    quarter: QuarterArgument,
    postgres_url: PostgresOption,
    as_json: JsonOption = False,
) -> None:
    """What a reseller is paid for a quarter, line by line: as it was issued, or as it stands now."""
    from services.billing.tools import stated

    found = done(stated(postgres_url, reseller_id, quarter))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    for one in found:
        rows = ((line.number, line.what, line.vested_on, line.amount) for line in one.lines)
        show_table(("document", "what", "vested", "amount"), rows)
        console.print(
            f"{one.currency}: {one.vested} vested, {one.carried_in} carried over, {one.due} due, {one.carried_out} carried on",
            highlight=False,
        )
    if not found:
        console.print(f"Nothing became {reseller_id}'s own in {quarter}.", highlight=False)


@settlements_app.command("accrue")
def settlements_accrue(quarter: QuarterArgument, postgres_url: PostgresOption) -> None:
    """Issue the statements of a quarter that is over; those that were issued stay as they are."""
    from services.billing.tools import settled

    found = done(settled(postgres_url, quarter))
    console.print(f"{len(found)} statements were issued.", highlight=False)
