"""`vicino topics`: what `schemas/topics.py` lists, and how it comes into being."""

import os
from typing import Annotated

import typer
from rich.table import Table

from services.chassis.kafka_login import servers_from
from services.cli.shared import BootstrapOption, PrefixOption, console
from services.local.play import play

topics_app = typer.Typer(
    no_args_is_help=True, help="Kafka topics, as schemas/topics.py lists them."
)


@topics_app.command("list")
def topics_list() -> None:
    """Every topic: key, partitions, retention, who writes, who reads."""
    from schemas.topics import TOPICS

    table = Table("topic", "key", "partitions", "days", "writers", "readers")
    for topic in TOPICS:
        table.add_row(
            topic.name, topic.key, str(topic.partitions), str(topic.retention_days), ", ".join(topic.writers),
            ", ".join(topic.readers),
        )  # fmt: skip
    console.print(table)


@topics_app.command("apply")
def topics_apply(
    bootstrap: BootstrapOption,
    prefix: PrefixOption = "",
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
) -> None:
    """Make the topics that are not there yet."""
    from schemas.topics import TOPICS
    from services.chassis.admin import ensure_topics

    made = play(
        ensure_topics(servers_from(bootstrap, os.environ), TOPICS, prefix=prefix, replicas=replicas)
    )
    console.print(f"{len(made)} topics made; the others were there.")
