"""Onboarding, put together."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from services.chassis.names import Names
from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings, SettingsWrong
from services.chassis.waiting import Question, measuring
from services.onboarding.adapters import Driver, Drivers
from services.onboarding.adapters.http import HttpDriver
from services.onboarding.adapters.postgres import PostgresDriver
from services.onboarding.domain.allowing import Allowed, allowed
from services.onboarding.domain.quotas import Quota
from services.onboarding.handlers import ROUTES
from services.onboarding.jobs import jobs
from services.onboarding.store import sql
from services.onboarding.usecases.rotate_logins import remember_logins

MIGRATIONS = Path(__file__).parent / "migrations"


class OnboardingSettings(ServiceSettings):
    """What onboarding needs beside the common settings."""

    provisioning_url: SecretStr
    """DSN of the server for tenants' databases: a role with CREATEDB and CREATEROLE."""
    give_up_after_hours: dict[str, Annotated[float, Field(gt=0, le=24 * 365)]] = Field(
        default_factory=dict
    )
    """How long the back-ends of a driver are tried before an order fails, by driver, as `{"http": 72}`; 24 unless said."""
    retention_days: int = Field(default=30, ge=0, le=3650)
    """For so long the data of an ended service are kept before they are removed."""
    quota_firms_per_day: int = Field(default=100, ge=0)
    """New firms that one reseller may bring in within 24 hours; what goes beyond waits for the operator."""
    quota_services_per_day: int = Field(default=500, ge=0)
    """Services that one reseller may order within 24 hours; an order that goes beyond waits for the operator."""
    quota_services_in_progress: int = Field(default=300, ge=0)
    """Services of one reseller that may be in the making at one time."""

    http_driver_allow: str = ""
    """Where HTTP back-ends may be: names, `*.domain`, addresses or networks, each with `:port` if wanted, commas between.
    Empty: none may be called."""

    nameservers: str = ""
    """Name servers for the hosts of HTTP back-ends, with commas between, each with or without a port; empty: those of the
    system."""

    def allowed(self) -> Allowed:
        """The addresses that the HTTP driver may call. Raises `SettingsWrong`."""
        try:
            return allowed(self.http_driver_allow)
        except ValueError as error:
            raise SettingsWrong(f"VICINO_HTTP_DRIVER_ALLOW: {error}") from None

    def quota(self) -> Quota:
        """What one reseller may begin by itself."""
        return Quota(
            self.quota_firms_per_day, self.quota_services_per_day, self.quota_services_in_progress
        )


WAITING: dict[str, Question] = {
    "tenant": lambda db, _: sql.waiting_tenants(db),
    "order": lambda db, _: sql.waiting_orders(db),
    "undo": lambda db, _: sql.undoing_services(db),
    "removal": lambda db, now: sql.removals(db, now=now),
}
"""What waits here for a person, or for a back-end."""


def drivers_there_are(postgres: Driver, http: Driver) -> dict[str, Driver]:
    """Every driver, by the name that plans call it."""
    return {"postgres": postgres, "http": http}


def build(settings: OnboardingSettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    postgres = PostgresDriver(settings.provisioning_url.get_secret_value(), settings.keys())
    patience = {
        driver: timedelta(hours=hours) for driver, hours in settings.give_up_after_hours.items()
    }
    names = Names(settings.nameservers)
    found = drivers_there_are(postgres, HttpDriver(settings.keys(), settings.allowed(), names))
    if unknown := patience.keys() - found.keys():
        raise SettingsWrong(
            f"VICINO_GIVE_UP_AFTER_HOURS names drivers that there are not: {', '.join(sorted(unknown))}"
        )
    drivers = Drivers(found, patience)
    retention = timedelta(days=settings.retention_days)
    remember = partial(remember_logins, driver=postgres)
    return Service(
        "onboarding", settings, MIGRATIONS, routes=ROUTES, jobs=jobs(drivers, settings.quota(), retention),
        background=(remember, names.keep, measuring(WAITING)),
    )  # fmt: skip


def main() -> None:
    """Run it until it is stopped."""
    run(build(OnboardingSettings()))
