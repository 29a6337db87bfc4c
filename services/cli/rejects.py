"""`vicino rejects`: records that a service could not act on."""

import os
from typing import Annotated

import typer

from services.chassis.kafka_login import servers_from
from services.cli.answers import JsonOption, show
from services.cli.shared import (
    BootstrapOption,
    DsnOption,
    PrefixOption,
    ServiceArgument,
    console,
    dsn_of,
)
from services.local.play import play

rejects_app = typer.Typer(
    no_args_is_help=True, help="Records a service could not act on: look, repair, send again."
)


COLUMNS = (
    "id", "sender", "tenant", "type", "source", "event", "reason", "detail", "place", "first_seen", "sent_again",
    "dismissed",
)  # fmt: skip


@rejects_app.command("list")
def rejects_list(
    name: ServiceArgument,
    postgres_url: DsnOption = "",
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.")] = 50,
    settled: Annotated[
        bool, typer.Option("--settled", help="Also those sent again or dismissed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What a service could not act on: whose it was, why, and its place in Kafka (topic/partition/offset)."""
    from services.chassis.rejects import listed

    url = dsn_of(name, postgres_url)
    show(play(listed(url, name, reason, limit, settled=settled)), COLUMNS, as_json)


@rejects_app.command("dismiss")
def rejects_dismiss(
    name: ServiceArgument,
    reject_id: Annotated[list[int], typer.Option("--id", help="This one; may be repeated.")],
    because: Annotated[str, typer.Option("--reason", help="Why it need not be sent again.")],
    postgres_url: DsnOption = "",
) -> None:
    """Settle rejects that need not be sent again: their senders have sent them anew, or they were a mistake."""
    from services.chassis.rejects import dismiss

    if not because.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    n = play(dismiss(dsn_of(name, postgres_url), name, reject_id, because))
    console.print(f"{n} of {len(reject_id)} were not settled before, and are now.")


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
