"""Telling: signed webhooks to resellers, mails to the operator. At least once, always under the same id."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import msgspec

from schemas.deliveries import Channel, DeliveryFailed, DeliverySucceeded
from schemas.scalars import read_instant, rfc3339
from services.chassis.backoff import Backoff
from services.chassis.jobs import GiveUp, Job, JobHandler, JobKind, RetryLater, handle
from services.chassis.unit import Args, Unit
from services.gateway import metrics
from services.gateway.adapters.mail import Mailer
from services.gateway.adapters.webhook import Receiver, WebhookSender
from services.gateway.domain.schedule import ATTEMPTS, RETRY_AFTER_SECONDS, Outcome
from services.gateway.people import People
from services.gateway.store import sql

OPERATOR = "operator"
TENANT_WAIT_SECONDS = 0.5
MAIL_ATTEMPTS = 12


class Notify(Args):
    """Deliver one notification."""

    notification_id: str


class NotDelivered(RuntimeError):
    """The recipient did not say that it has the notification."""


deliver_webhook = JobKind(
    "deliver_webhook",
    Notify,
    attempts=ATTEMPTS,
    backoff=Backoff.schedule(RETRY_AFTER_SECONDS, jitter=0.1),
    concurrency=16,
)
send_email = JobKind("send_email", Notify, attempts=MAIL_ATTEMPTS, backoff=Backoff(2, max_seconds=3600), concurrency=2)


def kind_of(channel: Channel) -> JobKind[Notify]:
    """The kind of job that serves a channel."""
    return deliver_webhook if channel is Channel.WEBHOOK else send_email


@dataclass(frozen=True, slots=True)
class Messengers:
    """Whatever delivers, and who knows whom to call."""

    webhooks: WebhookSender
    mailer: Mailer
    people: People


async def _compose(db: Any, row: asyncpg.Record, people: People) -> dict[str, Any]:
    """The event as its recipient gets it, with the names of the people to call. Waits while the tenant is not known."""
    tenant = await sql.tenant(db, id=row["tenant_id"])
    if tenant is None or tenant["external_id"] is None:
        raise RetryLater(TENANT_WAIT_SECONDS, "the tenant's names are not here yet")
    event, data = row["event"], dict(row["event"]["data"])
    data["tenant"] = {"tenant_id": tenant["id"], "external_id": tenant["external_id"], "name": tenant["name"]}
    if row["alert_id"] is not None:
        data["tenant"]["contact"] = people.open(tenant["contact"])
        reseller = await sql.reseller(db, id=data["reseller_id"])
        data["contact"] = people.open(reseller["contact"]) if reseller else None
    return {
        "specversion": "1.0", "id": event["id"], "source": "/vicino/gateway", "type": row["about"],
        "subject": row["tenant_id"], "time": rfc3339(read_instant(event["time"])), "datacontenttype": "application/json",
        "data": data,
    }  # fmt: skip


async def run_deliver_webhook(job: Job[Notify], messengers: Messengers) -> None:
    """POST a signed notification; 2xx is delivered, 410 closes the address, anything else is tried again."""
    async with job.read() as db:
        row = await sql.notification(db, id=job.args.notification_id)
        reseller = await sql.reseller(db, id=row["recipient"])
        if reseller is None or not reseller["webhook_open"]:
            raise GiveUp("this recipient takes no webhooks")
        body = msgspec.json.encode(await _compose(db, row, messengers.people))
    receiver = Receiver(reseller["webhook_url"], messengers.webhooks.open_secret(reseller["webhook_secret"]))
    verdict, answer = await messengers.webhooks.post(receiver, row["id"], body)
    metrics.DELIVERIES.labels("webhook", verdict.outcome).inc()
    if verdict.outcome is Outcome.DELIVERED:
        await _delivered(job, row, answer)
        return
    async with job.read() as db:
        await sql.note_attempt(db, id=row["id"], answer=answer)
        if verdict.outcome is Outcome.GONE:
            await sql.close_webhook(db, id=row["recipient"])
            raise GiveUp("the receiver answered 410")
    if verdict.wait_seconds is not None and not job.is_last:
        raise RetryLater(verdict.wait_seconds, answer)
    raise NotDelivered(answer)


async def run_send_email(job: Job[Notify], messengers: Messengers) -> None:
    """Send a mail to the operator."""
    async with job.read() as db:
        row = await sql.notification(db, id=job.args.notification_id)
        event = await _compose(db, row, messengers.people)
    await messengers.mailer.send(row["id"], event)
    metrics.DELIVERIES.labels("email", Outcome.DELIVERED).inc()
    await _delivered(job, row, "sent")


async def _delivered(job: Job[Notify], row: asyncpg.Record, answer: str) -> None:
    async with job.finish() as unit:
        await sql.settle_notification(unit.db, id=row["id"], state="delivered", answer=answer, at=unit.now)
        unit.publish(
            DeliverySucceeded(
                notification_id=row["id"], about=row["about"], alert_id=row["alert_id"], recipient=row["recipient"],
                channel=row["channel"], attempts=row["attempts"] + 1, delivered_at=unit.now,
            ),
            subject=row["tenant_id"],
        )  # fmt: skip


async def gave_up(args: Notify, unit: Unit, why: str) -> None:
    """The attempts are used up: the log says so, and so does a fact. It can be sent again on demand."""
    row = await sql.notification(unit.db, id=args.notification_id)
    await sql.settle_notification(unit.db, id=row["id"], state="failed", answer=why, at=unit.now)
    unit.publish(
        DeliveryFailed(
            notification_id=row["id"], about=row["about"], alert_id=row["alert_id"], recipient=row["recipient"],
            channel=row["channel"], attempts=row["attempts"] + 1, explanation=why[:500],
        ),
        subject=row["tenant_id"],
    )  # fmt: skip


def jobs(messengers: Messengers) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(deliver_webhook, partial(run_deliver_webhook, messengers=messengers), exhausted=gave_up),
        handle(send_email, partial(run_send_email, messengers=messengers), exhausted=gave_up),
    )
