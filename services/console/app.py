"""The console, put together."""

from pathlib import Path

from services.chassis.engine.freshness import Freshness
from services.chassis.health import AsgiApp
from services.chassis.other_service import OtherService
from services.chassis.service import Runtime, Service, run
from services.chassis.settings import ServiceSettings
from services.console.api import build_api
from services.console.handlers import ROUTES
from services.console.metrics import GATEWAY

MIGRATIONS = Path(__file__).parent / "migrations"


class ConsoleSettings(ServiceSettings):
    """What the console needs beside the common settings."""

    gateway_api: str | None = None
    """Where the gateway's API is, which does what operators ask for on the pages; `http://host:port`, inside."""


def build(settings: ConsoleSettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    settings.token()  # refused now, not with the first request
    gateway = OtherService(
        "the gateway", settings.gateway_api, settings.token(), "VICINO_GATEWAY_API", GATEWAY,
        "perhaps nothing was done",
    )  # fmt: skip
    freshness = Freshness(tuple({payload.topic: None for payload in ROUTES}))

    def api(runtime: Runtime) -> AsgiApp:
        return build_api(runtime, freshness, gateway)

    return Service(
        "console", settings, MIGRATIONS, routes=ROUTES, api=api, background=(freshness.keep, gateway.keep)
    )  # fmt: skip


def main() -> None:
    """Run it until it is stopped."""
    run(build(ConsoleSettings()))
