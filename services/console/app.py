"""The console, put together."""

from pathlib import Path

from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from services.console.api import build_api
from services.console.handlers import ROUTES

MIGRATIONS = Path(__file__).parent / "migrations"


class ConsoleSettings(ServiceSettings):
    """The console needs nothing beside the common settings."""


def build(settings: ConsoleSettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    settings.token()  # refused now, not with the first request
    return Service("console", settings, MIGRATIONS, routes=ROUTES, api=build_api)


def main() -> None:
    """Run it until it is stopped."""
    run(build(ConsoleSettings()))
