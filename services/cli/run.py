"""One part of an installation: run a service, bring its schema up to date, prepare the servers."""

import importlib
from typing import Annotated

import typer
from pydantic import ValidationError

from services import __version__
from services.chassis.settings import SettingsWrong, told
from services.cli.shared import (
    BootstrapOption,
    PostgresOption,
    ServiceArgument,
    console,
    known_service,
)
from services.local.play import cannot_go_on, play


def serve(name: ServiceArgument) -> None:
    """Run one service in the foreground, with its settings from the environment (VICINO_…)."""
    try:
        importlib.import_module(f"services.{known_service(name)}.app").main()
    except ValidationError as error:
        cannot_go_on(told(error))
    except SettingsWrong as error:
        cannot_go_on(str(error))


def migrate(name: ServiceArgument, postgres_url: PostgresOption) -> None:
    """Bring a service's schema up to date; services do it themselves when they start."""
    from services.chassis.migrate import migrate as apply

    module = importlib.import_module(f"services.{known_service(name)}.app")
    play(apply(postgres_url, name, module.MIGRATIONS))


def prepare(
    superuser_url: Annotated[
        str, typer.Option(envvar="VICINO_SUPERUSER_URL", help="DSN of a PostgreSQL superuser.")
    ],
    bootstrap: BootstrapOption,
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
    tenants_url: Annotated[
        str,
        typer.Option(
            envvar="VICINO_TENANTS_SUPERUSER_URL",
            help="The same on the tenants' server, if it is another.",
        ),
    ] = "",
    kafka_user: Annotated[
        str,
        typer.Option(
            envvar="VICINO_KAFKA_USER",
            help="An administrator of a closed Kafka: services get logins there.",
        ),
    ] = "",
) -> None:
    """Make the database, a role and schema per service, and the topics. Passwords come as VICINO_<SERVICE>_PASSWORD."""
    from services.local.prepare import prepare as make

    play(make(superuser_url, bootstrap, replicas, tenants_url, kafka_user))
    console.print("the database, roles, schemas and topics are there.")


def show_version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)
