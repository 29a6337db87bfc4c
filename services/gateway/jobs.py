"""Telling: signed webhooks to resellers, mails to the operator. At least once, always under the same id."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
import msgspec

from schemas.deliveries import Channel, DeliveryFailed, DeliverySucceeded
from schemas.scalars import read_instant, rfc3339
from schemas.tenants import OrderFailed
from services.chassis.backoff import Backoff
from services.chassis.database import Connection
from services.chassis.jobs import (
    GIVE_UP_AFTER,
    OUTSIDE_CALL,
    GiveUp,
    Job,
    JobHandler,
    JobKind,
    NotYet,
    RetryLater,
    handle,
)
from services.chassis.logs import logger
from services.chassis.pending import Limit
from services.chassis.store import collect
from services.chassis.unit import Args, Unit
from services.gateway import metrics, sealed
from services.gateway.adapters.mail import Mailer, mail_fault
from services.gateway.adapters.webhook import Receiver, WebhookSender
from services.gateway.contacts import Contacts
from services.gateway.domain.schedule import (
    ATTEMPTS,
    RETRY_AFTER_SECONDS,
    DeliveryState,
    Outcome,
    Verdict,
    next_wait_seconds,
)
from services.gateway.store import sql
from services.gateway.tenant_keys import contact_of

TENANT_WAIT_SECONDS = 0.5
WEBHOOKS_AT_ONCE = 128
WEBHOOKS_AT_ONCE_TO_ONE = 4
MAILS_AT_ONCE = 2
EXPLANATION_LENGTH_MAX = 500

log = logger(__name__)


class Notify(Args):
    """Deliver one notification."""

    notification_id: str


deliver_webhook = JobKind(
    "deliver_webhook",
    Notify,
    attempts=ATTEMPTS,
    backoff=Backoff.schedule(RETRY_AFTER_SECONDS, jitter=0.1),
    concurrency=WEBHOOKS_AT_ONCE,
)
send_email = JobKind(
    "send_email", Notify, attempts=None, give_up_after=GIVE_UP_AFTER, backoff=OUTSIDE_CALL, concurrency=MAILS_AT_ONCE
)


def ask_for_delivery(notification_id: str, channel: Channel, recipient: str, unit: Unit) -> None:
    """Deliver a notification by its channel. Each receiver has a limit of its own, so that a dead one holds up nobody else."""
    args = Notify(notification_id=notification_id)
    if channel is Channel.WEBHOOK:
        limit = Limit(f"receiver:{recipient}", WEBHOOKS_AT_ONCE_TO_ONE)
        unit.enqueue(deliver_webhook, args, key=notification_id, limit=limit)
    else:
        unit.enqueue(send_email, args, key=notification_id)


@dataclass(frozen=True, slots=True)
class Messengers:
    """Whatever delivers, and who knows whom to call."""

    webhooks: WebhookSender
    mailer: Mailer
    contacts: Contacts


async def _compose(db: Connection, row: asyncpg.Record, contacts: Contacts) -> dict[str, Any]:
    """The event as its recipient gets it, with the names of the contacts to call. Waits while the tenant is not known."""
    data = dict(row["event"]["data"])
    # How the others stood is between them and the operator.
    data.pop("ranking", None)
    if row["about"] == OrderFailed.wire_type:  # told to who ordered, who need not be the tenant's reseller: no names
        return _addressed(row, data)
    tenant = await sql.tenant(db, id=row["tenant_id"])
    if tenant is None or tenant["external_id"] is None:
        raise NotYet(TENANT_WAIT_SECONDS, "the tenant's names are not here yet")
    data["tenant"] = {"tenant_id": tenant["id"], "external_id": tenant["external_id"], "name": tenant["name"]}
    if row["alert_id"] is not None:
        data["tenant"]["contact"] = await contact_of(db, contacts, tenant)
        reseller = await sql.reseller(db, id=data["reseller_id"])
        data["contact"] = (
            contacts.open(reseller["contact"], sealed.reseller_contact(reseller["id"])) if reseller else None
        )
    return _addressed(row, data)


def _addressed(row: asyncpg.Record, data: dict[str, Any]) -> dict[str, Any]:
    """The event around its data."""
    event = row["event"]
    return {
        "specversion": "1.0", "id": event["id"], "source": "/vicino/gateway", "type": row["about"],
        "subject": row["tenant_id"], "time": rfc3339(read_instant(event["time"])), "datacontenttype": "application/json",
        "data": data,
    }  # fmt: skip


async def _receiver(db: Connection, reseller: asyncpg.Record, webhooks: WebhookSender, now: datetime) -> Receiver:
    """Where it goes; for a day after a rotation it is signed with the secret before, too."""
    past = await collect(sql.past_secrets(db, id=reseller["id"], now=now))
    kept = [reseller["webhook_secret"], *(row["secret"] for row in past)]
    row = sealed.webhook_secret(reseller["id"])
    return Receiver(reseller["webhook_url"], tuple(webhooks.open_secret(secret, row) for secret in kept))


async def run_deliver_webhook(job: Job[Notify], messengers: Messengers) -> None:
    """POST a signed notification; 2xx is delivered, 410 closes the address, anything else is tried again."""
    async with job.read() as db:
        row = await sql.notification(db, id=job.args.notification_id)
        reseller = await sql.reseller(db, id=row["recipient"])
        if reseller is None or reseller["webhook_closed_at"] is not None:
            raise GiveUp("this recipient takes no webhooks")
        body = msgspec.json.encode(await _compose(db, row, messengers.contacts))
        receiver = await _receiver(db, reseller, messengers.webhooks, job.now)
    verdict, answer = await messengers.webhooks.post(receiver, row["id"], body)
    metrics.DELIVERIES.labels(Channel.WEBHOOK, verdict.outcome).inc()
    if verdict.outcome is Outcome.DELIVERED:
        await _delivered(job, answer)
    else:
        await _not_delivered(job, row["recipient"], verdict, answer)


async def _not_delivered(job: Job[Notify], recipient: str, verdict: Verdict, answer: str) -> None:
    async with job.read() as db:
        await sql.note_attempt(db, id=job.args.notification_id, answer=answer)
        if verdict.outcome is Outcome.GONE:
            await sql.close_webhook(db, id=recipient, at=job.now)
            metrics.WEBHOOKS_CLOSED.set(await sql.webhooks_closed(db))
            log.warning("a receiver answered 410: its reseller gets nothing more", reseller_id=recipient)
            raise GiveUp("the receiver answered 410")
    raise RetryLater(next_wait_seconds(job.kind.backoff.seconds(job.attempt), verdict), answer)


async def run_send_email(job: Job[Notify], messengers: Messengers) -> None:
    """Send a mail to the operator."""
    async with job.read() as db:
        row = await sql.notification(db, id=job.args.notification_id)
        event = await _compose(db, row, messengers.contacts)
    try:
        await messengers.mailer.send(row["id"], event)
    except Exception as error:  # noqa: BLE001 - whatever a mail server does is an attempt that failed
        metrics.DELIVERIES.labels(Channel.EMAIL, Outcome.RETRY).inc()
        answer = mail_fault(error)
        async with job.read() as db:
            await sql.note_attempt(db, id=row["id"], answer=answer)
        raise RetryLater(job.kind.backoff.seconds(job.attempt), answer) from None
    metrics.DELIVERIES.labels(Channel.EMAIL, Outcome.DELIVERED).inc()
    await _delivered(job, "sent")


async def _delivered(job: Job[Notify], answer: str) -> None:
    async with job.finish() as unit:
        notification_id = job.args.notification_id
        await sql.note_attempt(unit.db, id=notification_id, answer=answer)
        row = await _settle(unit, notification_id, DeliveryState.DELIVERED, answer)
        unit.publish(
            DeliverySucceeded(
                notification_id=row["id"], about=row["about"], alert_id=row["alert_id"], recipient=row["recipient"],
                channel=row["channel"], attempts=row["attempts"], delivered_at=unit.now,
            ),
            subject=row["tenant_id"],
        )  # fmt: skip


async def gave_up(args: Notify, unit: Unit, why: str) -> None:
    """The attempts are used up: the log says so, and so does a fact. It can be sent again on demand."""
    row = await _settle(unit, args.notification_id, DeliveryState.FAILED, why)
    unit.publish(
        DeliveryFailed(
            notification_id=row["id"], about=row["about"], alert_id=row["alert_id"], recipient=row["recipient"],
            channel=row["channel"], attempts=max(row["attempts"], 1), explanation=why[:EXPLANATION_LENGTH_MAX],
        ),
        subject=row["tenant_id"],
    )  # fmt: skip


async def _settle(unit: Unit, notification_id: str, state: DeliveryState, answer: str) -> asyncpg.Record:
    found: asyncpg.Record = await sql.settle_notification(
        unit.db, id=notification_id, state=state, answer=answer, at=unit.now
    )
    return found


def jobs(messengers: Messengers) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(deliver_webhook, partial(run_deliver_webhook, messengers=messengers), exhausted=gave_up),
        handle(send_email, partial(run_send_email, messengers=messengers), exhausted=gave_up),
    )
