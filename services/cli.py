"""`vicino`: one command for everything an operator does."""

import asyncio
import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services import __version__
from services.chassis.settings import SettingsWrong, told
from services.cli_keys import credentials, keys_app
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play
from services.local.roles import SERVICES, role_of

app = typer.Typer(
    name="vicino", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Vicino: onboards small firms, meters and bills their services, and brings trouble to their local reseller.",
)  # fmt: skip
topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics, as schemas/topics.py lists them.")
rejects_app = typer.Typer(no_args_is_help=True, help="Records a service could not act on: look, repair, send again.")
jobs_app = typer.Typer(no_args_is_help=True, help="Outside calls and timers: look, and try failed ones again.")
app.add_typer(topics_app, name="topics")
app.add_typer(rejects_app, name="rejects")
meters_app = typer.Typer(
    no_args_is_help=True, help="What is counted: definitions, and whether what is added up is right."
)
app.add_typer(meters_app, name="meters")
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")

HomeOption = Annotated[Path | None, typer.Option("--home", help="State folder (default: .vicino, or VICINO_HOME).")]
ServiceArgument = Annotated[str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(SERVICES)}.")]
PostgresOption = Annotated[str, typer.Option(envvar="VICINO_POSTGRES_URL", help="The service's own DSN.")]
console = Console()


TABLE_WIDTH = 160
"""Of what is listed: a narrower terminal breaks its lines, and cuts none."""


def _show(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table that is cut nowhere: an id that is shown is copied into the next command."""
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=max(console.width, TABLE_WIDTH)).print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return "" if value is None else escape(str(value))


def _service(name: str) -> str:
    if name not in SERVICES:
        raise typer.BadParameter(f"no service is called {name}: one of {', '.join(SERVICES)}")
    return name


@app.command()
def up(
    home: HomeOption = None,
    services: Annotated[str, typer.Option(help="Comma-separated; all if not said.")] = ",".join(SERVICES),
    topic_prefix: Annotated[
        str, typer.Option(envvar="VICINO_TOPIC_PREFIX", help="Before every topic, on a broker shared with others.")
    ] = "",
) -> None:
    """Start everything on this machine and stay; data live in the state folder."""
    from services.local.stack import Stack

    async def stay() -> None:
        names = [_service(name) for name in services.split(",")]
        with console.status("starting ...") as status:
            async with (
                Home(home or default_home()) as folder,
                Stack(folder, status.update, services=names, topic_prefix=topic_prefix) as stack,
            ):
                status.stop()
                _print_addresses(stack)
                stack.report_to(_say)
                with suppress(asyncio.CancelledError):  # asked to stop: that is how `up` ends, not a failure
                    await stack.lost()
                console.print("stopping ...")

    play(stay())
    console.print("stopped; the data stay, and `vicino up` goes on from here.")


def _say(what: str) -> None:
    console.print(f"{datetime.now(UTC):%H:%M:%S}Z {escape(what)}", highlight=False, soft_wrap=True)


def _print_addresses(stack: Any) -> None:
    table = Table(title=f"Vicino is up, after {stack.started_in_seconds:.1f} s", title_justify="left")
    table.add_column("what")
    table.add_column("where", overflow="fold")
    for name in stack.ports:
        table.add_row(name, stack.address(name))
    table.add_row("Kafka", stack.bootstrap)
    table.add_row("PostgreSQL", stack.postgres_address)
    table.add_row("operator token", stack.operator_token)
    table.add_row("data and logs", str(stack.home.path))
    console.print(table)
    console.print("Look in at the console's address with the operator token. Ctrl-C stops everything.")


@app.command()
def demo(home: HomeOption = None) -> None:
    """Play the main job on a fresh stack and check every expectation; writes .vicino/demo.json."""
    from services.local.demo.story import run

    if not play(run(home or default_home(), console)):
        raise typer.Exit(1)


@app.command()
def dsn(name: ServiceArgument, home: HomeOption = None) -> None:
    """Print the DSN of a service's schema in a stack of `vicino up`, for VICINO_POSTGRES_URL or any client."""
    from services.local.home import Home
    from services.local.stack import DATABASE

    folder, role = Home(home or default_home()), role_of(_service(name))
    port = folder.recall("ports").get("postgres")
    if port is None:
        cannot_go_on(f"{folder.path} holds no PostgreSQL: was `vicino up` ever started there?")
    sys.stdout.write(f"postgresql://{role}:{folder.password(role)}@127.0.0.1:{port}/{DATABASE}\n")


@app.command()
def serve(name: ServiceArgument) -> None:
    """Run one service in the foreground, with its settings from the environment (VICINO_…)."""
    try:
        importlib.import_module(f"services.{_service(name)}.app").main()
    except ValidationError as error:
        cannot_go_on(told(error))
    except SettingsWrong as error:
        cannot_go_on(str(error))


@app.command()
def migrate(name: ServiceArgument, postgres_url: PostgresOption) -> None:
    """Bring a service's schema up to date; services do it themselves when they start."""
    from services.chassis.migrate import migrate as apply

    module = importlib.import_module(f"services.{_service(name)}.app")
    play(apply(postgres_url, name, module.MIGRATIONS))


@app.command()
def prepare(
    superuser_url: Annotated[str, typer.Option(envvar="VICINO_SUPERUSER_URL", help="DSN of a PostgreSQL superuser.")],
    bootstrap: Annotated[str, typer.Option(envvar="VICINO_KAFKA_BOOTSTRAP", help="Brokers.")],
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
    tenants_url: Annotated[
        str,
        typer.Option(envvar="VICINO_TENANTS_SUPERUSER_URL", help="The same on the tenants' server, if it is another."),
    ] = "",
) -> None:
    """Make the database, a role and schema per service, and the topics. Passwords come as VICINO_<SERVICE>_PASSWORD."""
    from services.local.prepare import prepare as make

    play(make(superuser_url, bootstrap, replicas, tenants_url))
    console.print("the database, roles, schemas and topics are there.")


@app.command("version")
def show_version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)


app.command()(credentials)


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
    bootstrap: Annotated[str, typer.Option(envvar="VICINO_KAFKA_BOOTSTRAP", help="Brokers.")],
    prefix: Annotated[str, typer.Option(envvar="VICINO_TOPIC_PREFIX", help="Before every name.")] = "",
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
) -> None:
    """Make the topics that are not there yet."""
    from schemas.topics import TOPICS
    from services.chassis.admin import ensure_topics

    made = play(ensure_topics(bootstrap, TOPICS, prefix=prefix, replicas=replicas))
    console.print(f"{len(made)} topics made; the others were there.")


@rejects_app.command("list")
def rejects_list(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.")] = 50,
) -> None:
    """What a service could not act on: where it came from, and why."""
    from services.chassis.rejects import listed

    columns = ("id", "topic", "partition", "offset", "reason", "detail", "first seen", "sent again")
    _show(columns, play(listed(postgres_url, _service(name), reason, limit)))


@rejects_app.command("replay")
def rejects_replay(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    reason: Annotated[str | None, typer.Option(help="All of this reason.")] = None,
    reject_id: Annotated[list[int] | None, typer.Option("--id", help="This one; may be repeated.")] = None,
) -> None:
    """Send rejects again, through the outbox, to the topic they came from."""
    from services.chassis.rejects import replay

    if reason is None and not reject_id:
        raise typer.BadParameter("say which: --reason or --id")
    n = play(replay(postgres_url, _service(name), reject_id or [], reason))
    console.print(f"{n} records will be sent again.")


@jobs_app.command("list")
def jobs_list(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    state: Annotated[
        Literal["failed", "failing", "waiting"],
        typer.Option(help="Failed: their attempts are used up. Failing: tried in vain, and still tried."),
    ] = "failed",
    limit: Annotated[int, typer.Option(help="At most so many, oldest first.")] = 50,
) -> None:
    """Jobs that have failed, that fail, or that wait; with the last error."""
    from services.chassis.rejects import jobs_in

    columns = ("id", "kind", "key", "run at", "attempt", "last error")
    _show(columns, play(jobs_in(postgres_url, _service(name), state, limit)))


@jobs_app.command("retry")
def jobs_retry(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    job_id: Annotated[list[UUID], typer.Argument(help="Their ids, as `vicino jobs list` shows them.")],
) -> None:
    """Give failed jobs all their attempts again."""
    from services.chassis.rejects import retry

    n = play(retry(postgres_url, _service(name), job_id))
    console.print(f"{n} of {len(job_id)} had failed and will be tried again.")


FirstOption = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First civil day.")]
AfterOption = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last one.")]
MeterOption = Annotated[str | None, typer.Option(help="Only this meter.")]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant, by id or external id.")]


@meters_app.command("list")
def meters_list(postgres_url: PostgresOption) -> None:
    """All definitions of all meters, and since when each counts."""
    from services.billing.metering.tools import definitions

    columns = ("meter", "version", "counts from", "aggregation", "reads", "filter", "kept apart by")
    _show(columns, play(definitions(postgres_url)))


@meters_app.command("verify")
def meters_verify(
    postgres_url: PostgresOption,
    first: FirstOption,
    after: AfterOption,
    meter: MeterOption = None,
    tenant: TenantOption = None,
) -> None:
    """Compare buckets with the raw events they were added up from; exits with 1 and prints every difference."""
    from services.billing.metering.tools import verified

    async def compare() -> tuple[int, int]:
        buckets = differences = 0
        async for name, outcome in verified(postgres_url, first.date(), after.date(), meter, tenant):
            buckets, differences = buckets + outcome.buckets, differences + len(outcome.differences)
            for one in outcome.differences:
                where = f"{name} {one.meter} v{one.version} {one.dimensions} {one.starts:%Y-%m-%d %H:%M}Z"
                told = f"{where}: stored {one.stored}; its events come to {one.recomputed}"
                console.print(told, markup=False, highlight=False)
        return buckets, differences

    buckets, differences = play(compare())
    console.print(f"{buckets} buckets compared with their events, {differences} differ.")
    if differences:
        console.print("To add them up again: vicino meters rebuild, with the same options.")
        raise typer.Exit(1)


@meters_app.command("rebuild")
def meters_rebuild(
    postgres_url: PostgresOption, first: FirstOption, after: AfterOption, meter: MeterOption = None, tenant: TenantOption = None,
    as_version: Annotated[int | None, typer.Option(help="Let this version of --meter count from --from on, up to now.")] = None,
) -> None:  # fmt: skip
    """Add up a window again from its raw events, while usage flows in; nothing is counted twice."""
    from services.billing.metering.tools import rebuilt

    if as_version is not None and meter is None:
        raise typer.BadParameter("--as-version needs --meter")

    async def again() -> int:
        buckets = 0
        async for name, n in rebuilt(postgres_url, first.date(), after.date(), meter, tenant, as_version):
            console.print(f"{name}: {n} buckets", highlight=False)
            buckets += n
        return buckets

    console.print(f"{play(again())} buckets added up again.")


def main() -> int:
    """The entry point."""
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
