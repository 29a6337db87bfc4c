"""Monitoring, put together."""

from pathlib import Path

from schemas.topics import SIGNALS
from services.chassis.engine.read_up import ReadUp
from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from services.chassis.waiting import Question, measuring
from services.monitoring.handlers import ROUTES
from services.monitoring.jobs import jobs
from services.monitoring.store import sql
from services.monitoring.usecases.watch_silence import Watch

MIGRATIONS = Path(__file__).parent / "migrations"


class MonitoringSettings(ServiceSettings):
    """Monitoring needs nothing beside the common settings."""


WAITING: dict[str, Question] = {"alert": lambda db, at: sql.unanswered_alerts(db, at=at)}
"""Who waits here: tenants, for somebody to take their trouble in hand."""


def build(settings: MonitoringSettings) -> Service:
    """The composition root."""
    watch = Watch(ReadUp(settings.kafka(), settings.topic_prefix, SIGNALS))
    return Service(
        "monitoring", settings, MIGRATIONS, routes=ROUTES, jobs=jobs(watch), background=(measuring(WAITING),)
    )  # fmt: skip


def main() -> None:
    """Run it until it is stopped."""
    run(build(MonitoringSettings()))
