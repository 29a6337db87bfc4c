"""`vicino accounts`: what the accounts of the ledger come to."""

from typing import Annotated

import typer

from services.cli.answers import JsonOption, done, show
from services.cli.shared import PostgresOption


def accounts(
    postgres_url: PostgresOption,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant, by id or external id.")] = None,
    reseller: Annotated[str | None, typer.Option(help="Only this reseller.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """The balance of each account, debits less credits; over all of a currency they sum to 0."""
    from services.billing.tools import balances

    if tenant is not None and reseller is not None:
        raise typer.BadParameter("ask about a tenant or a reseller, not both")
    show(
        done(balances(postgres_url, tenant, reseller)), ("account", "currency", "balance"), as_json
    )
