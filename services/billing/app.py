"""Billing, put together."""

import asyncio
from pathlib import Path
from typing import Self
from uuid import uuid4

from pydantic import model_validator

from schemas.horizon import LATE_MAX
from schemas.topics import USAGE
from services.billing import metrics
from services.billing.api import build_api
from services.billing.handlers import ROUTES
from services.billing.jobs import jobs
from services.billing.metering.intake import UsageIntake
from services.billing.metering.store import sql
from services.billing.store import sql as books
from services.chassis.backoff import Backoff
from services.chassis.engine.slices import on_slice
from services.chassis.logs import logger
from services.chassis.service import Runtime, Service, run
from services.chassis.settings import ServiceSettings
from services.chassis.store import collect

MIGRATIONS = Path(__file__).parent / "migrations"
LOOK_EVERY_SECONDS = 5.0
RETRY = Backoff(first_seconds=1.0, max_seconds=30.0)

log = logger(__name__)


class BillingSettings(ServiceSettings):
    """What billing needs beside the common settings."""

    invoice_grace_hours: int = 48
    """How long a run waits for late usage. The document keeps the boundary's date; the law gives twelve days to send it."""
    usage_late_days: int = LATE_MAX.days
    """How old usage may be when a door lets it in. Here it may be older by as long as it may lie in Kafka, so far as its id is
    known for longer."""
    usage_window_days: int = 90
    """How long, at least, an id of counted usage is known; at most twice as long."""
    usage_wait_for_disk: bool = True
    """Whether slices of usage wait for PostgreSQL's disk. Nothing is lost without: what a crash takes back is still in Kafka."""
    usage_raw_days: int = 400
    """How long raw usage is kept after it came: for disputes, for `vicino meters rebuild`."""

    @model_validator(mode="after")
    def _late_within_window(self) -> Self:
        if self.usage_window_days < self.usage_late_days:
            raise ValueError(
                "VICINO_USAGE_WINDOW_DAYS must not be less than VICINO_USAGE_LATE_DAYS"
            )
        return self


def build(settings: BillingSettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    settings.token()  # refused now, not with the first request
    intake = UsageIntake(
        settings.usage_late_days, settings.usage_window_days, settings.usage_wait_for_disk, settings.invoice_grace_hours
    )  # fmt: skip
    return Service(
        "billing",
        settings,
        MIGRATIONS,
        routes=ROUTES,
        slices=(on_slice(USAGE, intake.handle_slice),),
        jobs=jobs(intake, settings.invoice_grace_hours, settings.usage_raw_days),
        api=build_api,
        background=(lambda runtime: _look_after(runtime, intake),),
    )


async def _look_after(runtime: Runtime, intake: UsageIntake) -> None:
    """Show the newest check's result, and count what was parked just as its service became known."""
    failures = 0
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS + (RETRY.seconds(failures) if failures else 0))
        try:
            async with runtime.pool.acquire() as db:
                if check := await sql.last_check(db):
                    metrics.DIFFERENCES.set(check["differences"])
                    metrics.CHECKED.set(check["checked_at"].timestamp())
                if audit := await books.last_audit(db):
                    metrics.AUDIT_DIFFERENCES.set(audit["differences"])
                    metrics.AUDITED.set(audit["checked_at"].timestamp())
                held = await books.oldest_hold(db)
                metrics.HELD.set(
                    0 if held is None else (runtime.clock.now() - held).total_seconds()
                )
                ripe = [row["waits_for"] for row in await collect(sql.ripe(db))]
            for waits_for in ripe:
                async with runtime.unit(f"ripe|{uuid4()}") as unit:
                    await intake.count_parked(waits_for, unit)
            failures = 0
        except Exception as error:  # noqa: BLE001 - nothing is lost: what is parked stays, and readiness reports the database
            failures += 1
            log.warning("cannot look after usage", error=repr(error))


def main() -> None:
    """Run it until it is stopped."""
    run(build(BillingSettings()))
