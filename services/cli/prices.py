"""`vicino prices`: catalogues before they are published, and prices agreed with one tenant."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.chassis.texts import bounded, one_line
from services.cli.answers import JsonOption, TenantArgument, done, print_json, show
from services.cli.money import decimal_of
from services.cli.shared import PostgresOption, console

prices_app = typer.Typer(
    no_args_is_help=True, help="Catalogues, and prices agreed with one tenant."
)


@prices_app.command("agree")
def prices_agree(
    tenant: TenantArgument,
    sku: Annotated[str, typer.Argument(help="The plan.")],
    code: Annotated[str, typer.Argument(help="The component: its code in the plan.")],
    price: Annotated[str, typer.Argument(help="Of a unit, net of IVA.")],
    postgres_url: PostgresOption,
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day of its first month.")],
    by: Annotated[str, typer.Option(help="Who agreed to it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day on which it holds no more.")
    ] = None,
) -> None:  # fmt: skip
    """Agree a price with one tenant. An agreement that begins on the same day is replaced: so it can be ended."""
    from services.billing.domain.agreed_prices import AgreedPrice
    from services.billing.tools import agree

    if not bounded(by) or not bounded(reason):
        raise typer.BadParameter("say who agreed, and why")
    asked = AgreedPrice(sku, code, since.date(), until and until.date(), decimal_of(price, "price"))
    done(agree(postgres_url, tenant, asked, by, reason))
    console.print("The price is agreed.")


@prices_app.command("agreed")
def prices_agreed(
    tenant: TenantArgument, postgres_url: PostgresOption, as_json: JsonOption = False
) -> None:
    """Prices agreed with a tenant, of all times."""
    from services.billing.tools import agreed

    names = ("sku", "code", "price", "since", "until", "agreed_by", "reason")
    show(done(agreed(postgres_url, tenant)), names, as_json)


@prices_app.command("check")
def prices_check(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A catalogue, as JSON.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Whether the door would take a catalogue; exits with 1 and prints every fault with its place and code."""
    from services.gateway.operator_requests import catalogue_faults

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}") from None
    found = catalogue_faults(content)
    if as_json:
        print_json(found)
    elif not found:
        console.print("The door would take it.")
    for fault in () if as_json else found:
        told = f"{fault['pointer'] or '/'}: {fault['reason']}: {fault['detail']}"
        console.print(one_line(told), markup=False, highlight=False)
    if found:
        raise typer.Exit(1)
