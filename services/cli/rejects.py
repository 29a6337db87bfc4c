"""`vicino rejects`: records that a service could not act on."""

import os
from typing import Annotated

import typer

from services.chassis.kafka_login import servers_from
from services.cli.shared import (
    BootstrapOption,
    DsnOption,
    PrefixOption,
    ServiceArgument,
    console,
    dsn_of,
    show_table,
)
from services.local.play import play

rejects_app = typer.Typer(
    no_args_is_help=True, help="Records a service could not act on: look, repair, send again."
)


@rejects_app.command("list")
def rejects_list(
    name: ServiceArgument,
    postgres_url: DsnOption = "",
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.")] = 50,
) -> None:
    """What a service could not act on: where it came from, and why."""
    from services.chassis.rejects import listed

    columns = ("id", "topic", "partition", "offset", "reason", "detail", "first seen", "sent again")
    show_table(columns, play(listed(dsn_of(name, postgres_url), name, reason, limit)))


@rejects_app.command("replay")
def rejects_replay(
    name: ServiceArgument,
    bootstrap: BootstrapOption,
    postgres_url: DsnOption = "",
    prefix: PrefixOption = "",
    reason: Annotated[str | None, typer.Option(help="All of this reason.")] = None,
    reject_id: Annotated[
        list[int] | None, typer.Option("--id", help="This one; may be repeated.")
    ] = None,
) -> None:
    """Send rejects again to the topic they came from; on a closed Kafka that takes the operator's login."""
    from services.chassis.rejects import replay

    if reason is None and not reject_id:
        raise typer.BadParameter("say which: --reason or --id")
    kafka = servers_from(bootstrap, os.environ)
    n = play(replay(dsn_of(name, postgres_url), name, reject_id or [], reason, kafka, prefix))
    console.print(f"{n} records were sent again.")
