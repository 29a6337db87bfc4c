"""Billing, put together."""

from pathlib import Path

from services.billing.api import build_api
from services.billing.handlers import ROUTES, SLICES
from services.billing.jobs import jobs
from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings

MIGRATIONS = Path(__file__).parent / "migrations"


class BillingSettings(ServiceSettings):
    """What billing needs beside the common settings."""

    invoice_grace_hours: int = 48
    """How long a run waits for late usage. The document keeps the boundary's date; the law gives twelve days to send it."""


def build(settings: BillingSettings) -> Service:
    """The composition root."""
    return Service(
        "billing",
        settings,
        MIGRATIONS,
        routes=ROUTES,
        slices=SLICES,
        jobs=jobs(settings.invoice_grace_hours),
        api=build_api,
    )


def main() -> None:
    """Run it until it is told to stop."""
    run(build(BillingSettings()))
