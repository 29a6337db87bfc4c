"""Monitoring, put together."""

from pathlib import Path

from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from services.monitoring.handlers import ROUTES
from services.monitoring.jobs import JOBS

MIGRATIONS = Path(__file__).parent / "migrations"


class MonitoringSettings(ServiceSettings):
    """Monitoring needs nothing beside the common settings."""


def build(settings: MonitoringSettings) -> Service:
    """The composition root."""
    return Service("monitoring", settings, MIGRATIONS, routes=ROUTES, jobs=JOBS)


def main() -> None:
    """Run it until it is told to stop."""
    run(build(MonitoringSettings()))
