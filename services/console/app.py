"""The console, put together."""

from pathlib import Path

from services.chassis.engine.freshness import Freshness
from services.chassis.health import AsgiApp
from services.chassis.service import Runtime, Service, run
from services.chassis.settings import ServiceSettings
from services.console.api import build_api
from services.console.handlers import ROUTES

MIGRATIONS = Path(__file__).parent / "migrations"


class ConsoleSettings(ServiceSettings):
    """The console needs nothing beside the common settings."""


def build(settings: ConsoleSettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    settings.token()  # refused now, not with the first request
    freshness = Freshness(tuple({payload.topic: None for payload in ROUTES}))

    def api(runtime: Runtime) -> AsgiApp:
        return build_api(runtime, freshness)

    return Service(
        "console", settings, MIGRATIONS, routes=ROUTES, api=api, background=(freshness.keep,)
    )


def main() -> None:
    """Run it until it is stopped."""
    run(build(ConsoleSettings()))
