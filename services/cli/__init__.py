"""`vicino`: one command for everything an operator does. Each group of commands has a file."""

import typer

from services.cli.accounts import accounts
from services.cli.catalogue import catalogue_app
from services.cli.clock import clock_app
from services.cli.invoices import invoices_app
from services.cli.jobs import jobs_app
from services.cli.keys import credentials, keys_app
from services.cli.local import demo, dsn, kafka_login, play_on, up
from services.cli.mail import mail_app
from services.cli.meters import meters_app
from services.cli.money import (
    audit,
    caps_app,
    contracts_app,
    explain,
    payments_app,
    preview,
    usage_app,
)
from services.cli.orders import orders_app
from services.cli.prices import prices_app
from services.cli.rejects import rejects_app
from services.cli.resellers import resellers_app
from services.cli.run import migrate, prepare, serve, show_version
from services.cli.running import address, logs, settings, status, stop
from services.cli.settlements import settlements_app
from services.cli.tenants import alerts_app, deliveries_app, tenants_app
from services.cli.topics import topics_app

app = typer.Typer(
    name="vicino", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Vicino: onboards small firms, meters and bills their services, and brings trouble to their local reseller.",
)  # fmt: skip
for command in (
    up,
    status,
    address,
    stop,
    logs,
    settings,
    demo,
    dsn,
    serve,
    migrate,
    prepare,
    preview,
    explain,
    audit,
    accounts,
):
    app.command()(command)
app.command("kafka-login")(kafka_login)
app.command("version")(show_version)
app.command("play")(play_on)
app.add_typer(clock_app, name="clock")
app.add_typer(mail_app, name="mail")
app.command()(credentials)
app.add_typer(topics_app, name="topics")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(resellers_app, name="resellers")
app.add_typer(tenants_app, name="tenants")
app.add_typer(orders_app, name="orders")
app.add_typer(alerts_app, name="alerts")
app.add_typer(deliveries_app, name="deliveries")
app.add_typer(rejects_app, name="rejects")
app.add_typer(meters_app, name="meters")
app.add_typer(caps_app, name="caps")
app.add_typer(contracts_app, name="contracts")
app.add_typer(usage_app, name="usage")
app.add_typer(invoices_app, name="invoices")
app.add_typer(payments_app, name="payments")
app.add_typer(settlements_app, name="settlements")
app.add_typer(prices_app, name="prices")
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")


def main() -> int:
    """The entry point."""
    app()
    return 0
