"""The gateway, put together."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from stdnum import iban
from stdnum.exceptions import ValidationError as BadNumber

from services.chassis.branches import Branches
from services.chassis.health import AsgiApp
from services.chassis.logs import logger
from services.chassis.names import Names
from services.chassis.other_service import OtherService
from services.chassis.service import Runtime, Service, run
from services.chassis.settings import ServiceSettings
from services.chassis.waiting import Question, measuring
from services.gateway.adapters.mail import Mailer
from services.gateway.adapters.webhook import WebhookSender
from services.gateway.api import build_api
from services.gateway.api_reading import OtherServices
from services.gateway.domain.channels import is_mail_address
from services.gateway.doors import Doors
from services.gateway.events_door import EventsDoor
from services.gateway.handlers import ROUTES, SLICES, WITH_OWNERS_PAGES
from services.gateway.housekeeping import keep_house
from services.gateway.inbound.in_flight import InFlight
from services.gateway.inbound.instants import Instants
from services.gateway.inbound.limits import Limiter
from services.gateway.inbound.pulse import Pulse
from services.gateway.jobs import Messengers, jobs
from services.gateway.metrics import READS
from services.gateway.outbound.owner_mail import PATH as OWNERS
from services.gateway.owner.guard import OwnersGuard
from services.gateway.owner.pages import Seller, build_pages
from services.gateway.owner.reading import FirmReading
from services.gateway.principals.contacts import Contacts
from services.gateway.principals.knowledge import Knowledge
from services.gateway.store import sql
from services.gateway.usecases.admit_events import Intake
from services.gateway.usecases.registry import Registry

log = logger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
MAIL_FROM = "vicino@localhost"


WAITING: dict[str, Question] = {"delivery": lambda db, _: sql.waiting_deliveries(db)}
"""What waits here: notifications, for their receivers."""


def mail_address(text: str) -> str:
    """The text, if a mail may come from there; the usual one for an empty text. Raises `ValueError`."""
    if not text.strip():
        return MAIL_FROM
    if not is_mail_address(text):
        raise ValueError("no mail can come from there")
    return text


def public_address(text: str | None) -> str | None:
    """The address without a slash at its end. Raises `ValueError` for what browsers do not find."""
    if text is None or not text.strip():
        return None
    parts = urlsplit(text.strip())
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError("as in https://vicino.example.it, without a path")
    return text.strip().rstrip("/")


def iban_number(text: str) -> str:
    """The IBAN in groups of four. Raises `ValueError`."""
    if not text.strip():
        return ""
    try:
        return str(iban.format(iban.validate(text)))
    except BadNumber as error:
        raise ValueError(f"no IBAN: {error}") from None


class GatewaySettings(ServiceSettings):
    """What the gateway needs beside the common settings."""

    smtp_url: str | None = None
    """The mail server: `smtp://[user:password@]host:port`, or `smtps://` where TLS comes first."""
    mail_from: Annotated[str, AfterValidator(mail_address)] = MAIL_FROM
    """Whom mails come from. Mail servers take an address of your own domain, and no other."""
    operator_email: str | None = None
    """Where the operator reads mails: escalations."""
    webhook_allow_private: bool = False
    """Webhooks to private addresses and by plain http: only where everything runs on one machine."""
    nameservers: str = ""
    """Name servers for the hosts of webhooks, with commas between, each with or without a port; empty: those of the system."""
    requests_per_second: float = 200.0
    """Requests a second that one key may make, on average."""
    requests_burst: float = 400.0
    """Requests that one key may make at once after a pause."""
    console_api: str | None = None
    """Where the console's API is, which answers what resellers read; `http://host:port`, inside."""
    billing_api: str | None = None
    """Where billing's API is, for usage and cost."""
    public_url: Annotated[str | None, AfterValidator(public_address)] = None
    """Where browsers find these doors, as `https://vicino.example.it`. With it, each owner has a page, and a mail opens it."""
    seller_name: str = ""
    """Who issues the documents, as owners read it on them."""
    seller_vat: str = ""
    """Its VAT number."""
    seller_address: str = ""
    """Its seat, on one line."""
    seller_iban: Annotated[str, AfterValidator(iban_number)] = ""
    """The account that documents are paid to."""
    very_large_tenants: str = ""
    """Tenant ids, with commas between: their usage is spread over all partitions (docs/scale.md)."""


def build(settings: GatewaySettings) -> Service:
    """The composition root. Raises `SettingsWrong`."""
    settings.token()  # refused now, not with the first request
    if settings.webhook_allow_private:
        log.warning(
            "webhooks may go to private addresses and by plain http: VICINO_WEBHOOK_ALLOW_PRIVATE is set"
        )
    contacts = Contacts(settings.keys())
    names = Names(settings.nameservers)
    webhooks = WebhookSender(settings.keys(), settings.webhook_allow_private, names)
    very_large = frozenset(
        name.strip() for name in settings.very_large_tenants.split(",") if name.strip()
    )
    mailer = Mailer(settings.smtp_url, settings.operator_email, settings.mail_from)

    console, billing = (
        OtherService(name, url, settings.token(), setting, READS, "events are accepted as ever")
        for name, url, setting in (
            ("the read model", settings.console_api, "VICINO_CONSOLE_API"),
            ("billing", settings.billing_api, "VICINO_BILLING_API"),
        )
    )
    others = OtherServices(console, billing)
    seller = Seller(
        settings.seller_name, settings.seller_vat, settings.seller_address, settings.seller_iban
    )
    handled = ROUTES if settings.public_url is None else WITH_OWNERS_PAGES
    messengers = Messengers(webhooks, mailer, contacts, settings.public_url)
    knowledge, in_flight, instants = Knowledge(), InFlight(settings.keys()), Instants()
    limiter = Limiter(settings.requests_per_second, settings.requests_burst)

    def api(runtime: Runtime) -> AsgiApp:
        knowledge.look_in(runtime.pool)
        doors = Doors(
            runtime,
            knowledge,
            Intake(runtime, knowledge, contacts, very_large, in_flight, instants),
            limiter,
        )
        registry = Registry(runtime, knowledge, contacts, webhooks)
        events = EventsDoor(build_api(doors, registry, others), doors)
        if settings.public_url is None:
            return events
        guard, reading = (
            OwnersGuard(runtime, contacts),
            FirmReading(runtime, knowledge, contacts, others),
        )
        return Branches(events, {OWNERS: build_pages(guard, registry, reading, seller)})

    return Service(
        "gateway", settings, MIGRATIONS, routes=handled, slices=SLICES, jobs=jobs(messengers), api=api,
        background=(
            keep_house, measuring(WAITING), knowledge.keep, in_flight.keep_sending, instants.keep, Pulse().keep, names.keep,
            others.read_model.keep, others.billing.keep,
        ),
    )  # fmt: skip


def main() -> None:
    """Run it until it is stopped."""
    run(build(GatewaySettings()))
