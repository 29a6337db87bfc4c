"""`vicino jobs`: outside calls and timers that failed, fail, or wait."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from services.cli.shared import PostgresOption, ServiceArgument, console, known_service, show_table
from services.local.play import play

jobs_app = typer.Typer(
    no_args_is_help=True, help="Outside calls and timers: look, and try failed ones again."
)


@jobs_app.command("list")
def jobs_list(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    state: Annotated[
        Literal["failed", "failing", "waiting"],
        typer.Option(
            help="Failed: their attempts are used up. Failing: the last attempt failed, and it is still tried."
        ),
    ] = "failed",
    limit: Annotated[int, typer.Option(help="At most so many, oldest first.")] = 50,
) -> None:
    """Jobs that have failed, that fail, or that wait; with the last error."""
    from services.chassis.rejects import JOB_COLUMNS, jobs_in

    columns = [column.replace("_", " ").replace("limit name", "calls") for column in JOB_COLUMNS]
    show_table(columns, play(jobs_in(postgres_url, known_service(name), state, limit)))


@jobs_app.command("retry")
def jobs_retry(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    job_id: Annotated[
        list[UUID], typer.Argument(help="Their ids, as `vicino jobs list` shows them.")
    ],
) -> None:
    """Give failed jobs all their attempts again, and try failing ones now."""
    from services.chassis.rejects import retry

    n = play(retry(postgres_url, known_service(name), job_id))
    console.print(f"{n} of {len(job_id)} failed and will be tried again.")
