"""`vicino invoices`: documents, what is open of them, and runs that are parked."""

from datetime import datetime
from typing import Annotated

import typer

from services.chassis.texts import bounded
from services.cli.answers import JsonOption, TenantArgument, done, print_json, show
from services.cli.shared import PostgresOption, console, show_table

BoundaryOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The date of the run; none: the next one."),
]

invoices_app = typer.Typer(no_args_is_help=True, help="Invoices, and runs that are parked.")


@invoices_app.command("list")
def invoices_list(
    tenant: TenantArgument, postgres_url: PostgresOption, as_json: JsonOption = False
) -> None:
    """A tenant's invoices, newest first: what was asked, credited and paid, and what is open."""
    from services.billing.tools import invoices

    names = ("number", "date", "due", "asked", "credited", "paid", "open", "state")
    show(done(invoices(postgres_url, tenant)), names, as_json)


@invoices_app.command("show")
def invoices_show(
    number: Annotated[str, typer.Argument(help="NUMBER of a document.")],
    postgres_url: PostgresOption,
    as_json: JsonOption = False,
) -> None:
    """A document as it was issued."""
    from services.billing.tools import document

    found = done(document(postgres_url, number))
    if as_json:
        print_json(found)
        return
    show_table(("what", "quantity", "unit price", "net"), (
        (line["description"], line["quantity"], line["unit_price"], line["net"]) for line in found["lines"]
    ))  # fmt: skip
    totals = found["totals"]
    console.print(
        f"{found['number']} of {found['date']}, due {found['due']}: net {totals['imponibile']}, IVA {totals['imposta']},"
        f" to pay {totals['da_pagare']} {found['currency']}",
        highlight=False,
    )


@invoices_app.command("parked")
def invoices_parked(postgres_url: PostgresOption, as_json: JsonOption = False) -> None:
    """Runs that fail, since when and why. They are retried; no other tenant waits for them."""
    from services.billing.tools import parked

    names = ("tenant", "boundary", "since", "attempts", "next_try", "explanation")
    show(done(parked(postgres_url)), names, as_json)


@invoices_app.command("retry")
def invoices_retry(
    postgres_url: PostgresOption,
    tenants: Annotated[
        list[str] | None, typer.Argument(help="Ids or external ids; none: all that are parked.")
    ] = None,
) -> None:
    """Try parked runs now: their cause is gone."""
    from services.billing.tools import retry_parked

    n = done(retry_parked(postgres_url, tenants or []))
    console.print(f"{n} parked runs are tried now.", highlight=False)


@invoices_app.command("drafts")
def invoices_drafts(
    postgres_url: PostgresOption,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Of so many runs, due first.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """What runs in their grace time, and runs that are held, would issue as things stand. `vicino preview` shows the lines."""
    from services.billing.tools import drafts

    names = ("tenant", "boundary", "due", "tipo", "currency", "net", "total", "held")
    show(done(drafts(postgres_url, limit)), names, as_json)


@invoices_app.command("hold")
def invoices_hold(
    tenant: TenantArgument,
    postgres_url: PostgresOption,
    reason: Annotated[str, typer.Option(help="Why: it is shown with the run.")],
    boundary: BoundaryOption = None,
) -> None:
    """Keep a tenant's next run from being made until it is approved."""
    from services.billing.tools import hold

    if not bounded(reason):
        raise typer.BadParameter("say why")
    found = done(hold(postgres_url, tenant, boundary and boundary.date(), reason))
    console.print(f"The run of {found} is held.", highlight=False)


@invoices_app.command("approve")
def invoices_approve(
    tenant: TenantArgument, postgres_url: PostgresOption, boundary: BoundaryOption = None
) -> None:
    """Let a held run go on: it is made when it is due, at once if it was."""
    from services.billing.tools import approve

    found = done(approve(postgres_url, tenant, boundary and boundary.date()))
    console.print(f"The run of {found} is approved.", highlight=False)
