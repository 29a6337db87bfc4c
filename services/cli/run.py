"""One part of an installation: run a service, bring its schema up to date, prepare the servers."""

import importlib
import os
from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import ValidationError

from services import __version__
from services.chassis.settings import PREFIX, SettingsWrong, settings_faults
from services.cli.shared import (
    BootstrapOption,
    PostgresOption,
    ServiceArgument,
    console,
    known_service,
)
from services.local.play import cannot_go_on, play
from services.local.stack_settings import unknown


def serve(name: ServiceArgument) -> None:
    """Run one service in the foreground, with its settings from the environment (VICINO_…), secrets also from files (…_FILE)."""
    try:
        refuse_unknown(name, os.environ)
        importlib.import_module(f"services.{known_service(name)}.app").main()
    except ValidationError as error:
        cannot_go_on(settings_faults(error))
    except SettingsWrong as error:
        cannot_go_on(str(error))


def refuse_unknown(service: str, environment: Mapping[str, str]) -> None:
    """Refuse a `VICINO_…` that nothing reads: a misspelt setting would be lost in silence. Raises `SettingsWrong`."""
    from services.local.environment import known

    own = known(known_service(service))
    said = [name for name in environment if name.startswith(PREFIX) and name not in own]
    # Only then are the other services loaded, to know their settings: containers share an environment.
    if said and (wrong := unknown(said)):
        raise SettingsWrong("; ".join(wrong))


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
