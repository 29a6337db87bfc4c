"""Onboarding, put together."""

from functools import partial
from pathlib import Path

from pydantic import SecretStr

from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from services.onboarding.adapters import Driver, Drivers
from services.onboarding.adapters.http import HttpDriver
from services.onboarding.adapters.postgres import PostgresDriver
from services.onboarding.handlers import ROUTES
from services.onboarding.jobs import jobs
from services.onboarding.rotation import remember_logins

MIGRATIONS = Path(__file__).parent / "migrations"


class OnboardingSettings(ServiceSettings):
    """What onboarding needs beside the common settings."""

    provisioning_url: SecretStr
    """DSN of the server for tenants' databases: a role with CREATEDB and CREATEROLE."""


def drivers_there_are(postgres: Driver) -> dict[str, Driver]:
    """Every driver, by the name that plans call it."""
    return {"postgres": postgres, "http": HttpDriver()}


def build(settings: OnboardingSettings) -> Service:
    """The composition root."""
    postgres = PostgresDriver(settings.provisioning_url.get_secret_value(), settings.keys())
    drivers = Drivers(drivers_there_are(postgres))
    remember = partial(remember_logins, driver=postgres)
    return Service("onboarding", settings, MIGRATIONS, routes=ROUTES, jobs=jobs(drivers), background=(remember,))


def main() -> None:
    """Run it until it is told to stop."""
    run(build(OnboardingSettings()))
