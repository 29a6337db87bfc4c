"""`vicino`: one command for everything an operator does."""

import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from services.local.home import Home, HomeBusy, default_home
from services.local.jars import JarsMissing
from services.local.roles import SERVICES

app = typer.Typer(
    name="vicino", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Vicino: onboards small firms, meters and bills their services, and brings trouble to their local reseller.",
)  # fmt: skip
topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics, as schemas/topics.py lists them.")
rejects_app = typer.Typer(no_args_is_help=True, help="Records a service could not act on: look, repair, send again.")
jobs_app = typer.Typer(no_args_is_help=True, help="Jobs whose attempts are used up.")
app.add_typer(topics_app, name="topics")
app.add_typer(rejects_app, name="rejects")
meters_app = typer.Typer(
    no_args_is_help=True, help="What is counted: definitions, and whether what is added up is right."
)
app.add_typer(meters_app, name="meters")
app.add_typer(jobs_app, name="jobs")

HomeOption = Annotated[Path | None, typer.Option("--home", help="State folder (default: .vicino, or VICINO_HOME).")]
ServiceArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
console = Console()
PARENT_CHECK_SECONDS = 0.3


async def _when_make_is_gone(stop: Callable[[], Any]) -> None:
    """What `make` started does not outlive it: a `kill -9` of make tells its children nothing."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells the end of a parent
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    stop()


def _play(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine; SIGTERM ends it as Ctrl-C does, cleanly. Expected failures are told, not traced."""

    async def guarded() -> Any:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        watch = asyncio.create_task(_when_make_is_gone(task.cancel)) if "MAKELEVEL" in os.environ else None
        try:
            return await task
        finally:
            if watch is not None:
                watch.cancel()

    try:
        return asyncio.run(guarded())
    except (asyncio.CancelledError, KeyboardInterrupt):
        console.print("stopped.")
        raise typer.Exit(130) from None
    except (HomeBusy, JarsMissing, RuntimeError, TimeoutError) as error:
        Console(stderr=True).print(f"[bold red]Vicino cannot go on:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


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
                with suppress(asyncio.CancelledError):  # asked to stop: that is how `up` ends, not a failure
                    await asyncio.Event().wait()
                console.print("stopping ...")

    _play(stay())
    console.print("stopped; the data stay, and `vicino up` goes on from here.")


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

    if not _play(run(home or default_home(), console)):
        raise typer.Exit(1)


@app.command()
def serve(name: ServiceArgument) -> None:
    """Run one service in the foreground, with its settings from the environment (VICINO_…)."""
    importlib.import_module(f"services.{_service(name)}.app").main()


@app.command()
def migrate(name: ServiceArgument) -> None:
    """Bring a service's schema up to date (VICINO_POSTGRES_URL); services do it themselves when they start."""
    from services.chassis.migrate import migrate as apply

    module = importlib.import_module(f"services.{_service(name)}.app")
    _play(apply(os.environ["VICINO_POSTGRES_URL"], name, module.MIGRATIONS))


@app.command()
def prepare(
    superuser_url: Annotated[str, typer.Option(envvar="VICINO_SUPERUSER_URL", help="DSN of a PostgreSQL superuser.")],
    bootstrap: Annotated[str, typer.Option(envvar="VICINO_KAFKA_BOOTSTRAP", help="Brokers.")],
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
) -> None:
    """Make the database, a role and schema per service, and the topics. Passwords come as VICINO_<SERVICE>_PASSWORD."""
    from services.local.prepare import prepare as make

    _play(make(superuser_url, bootstrap, replicas))
    console.print("the database, roles, schemas and topics are there.")


@app.command("version")
def show_version() -> None:
    """Print the version."""
    try:
        console.print(version("vicino"))
    except PackageNotFoundError:
        console.print("0.1.0 (from a checkout)")


@app.command()
def credentials(service_id: str) -> None:
    """Print how a service instance's users reach its database (needs VICINO_MASTER_KEY)."""
    from base64 import b64decode

    from services.onboarding.domain.credentials import derive

    found = derive(b64decode(os.environ["VICINO_MASTER_KEY"]), service_id)
    console.print_json(json.dumps({"database": found.database, "user": found.role, "password": found.password}))


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

    made = _play(ensure_topics(bootstrap, TOPICS, prefix=prefix, replicas=replicas))
    console.print(f"{len(made)} topics made; the others were there.")


PostgresOption = Annotated[str, typer.Option(envvar="VICINO_POSTGRES_URL", help="The service's own DSN.")]


@rejects_app.command("list")
def rejects_list(
    name: ServiceArgument,
    postgres_url: PostgresOption,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.")] = 50,
) -> None:
    """What a service could not act on: where it came from, and why."""
    from services.chassis.rejects import listed

    table = Table("id", "topic", "partition", "offset", "reason", "detail", "first seen", "sent again")
    for row in _play(listed(postgres_url, _service(name), reason, limit)):
        table.add_row(*(str(value) for value in row))
    console.print(table)


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
    n = _play(replay(postgres_url, _service(name), reject_id or [], reason))
    console.print(f"{n} records will be sent again.")


@jobs_app.command("list")
def jobs_list(name: ServiceArgument, postgres_url: PostgresOption, state: str = "failed", limit: int = 50) -> None:
    """Jobs in a state: failed (attempts used up) or waiting."""
    from services.chassis.rejects import jobs_in

    table = Table("id", "kind", "key", "run at", "attempt", "last error")
    for row in _play(jobs_in(postgres_url, _service(name), state, limit)):
        table.add_row(*(str(value) for value in row))
    console.print(table)


@jobs_app.command("retry")
def jobs_retry(name: ServiceArgument, postgres_url: PostgresOption, job_id: list[str]) -> None:
    """Give failed jobs all their attempts again."""
    from services.chassis.rejects import retry

    _play(retry(postgres_url, _service(name), job_id))
    console.print("they will be tried again.")


FirstOption = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First civil day.")]
AfterOption = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last one.")]
MeterOption = Annotated[str | None, typer.Option(help="Only this meter.")]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant, by id or external id.")]


@meters_app.command("list")
def meters_list(postgres_url: PostgresOption) -> None:
    """All definitions of all meters, and since when each counts."""
    from services.billing.metering.tools import definitions

    table = Table("meter", "version", "counts from", "aggregation", "reads", "filter", "kept apart by")
    for row in _play(definitions(postgres_url)):
        table.add_row(*(str(value) for value in row))
    console.print(table)


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

    buckets, differences = _play(compare())
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

    console.print(f"{_play(again())} buckets added up again.")


def main() -> int:
    """The entry point."""
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
