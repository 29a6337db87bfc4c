"""Deliveries: signed webhooks to resellers, mails to the operator. At least once, always under the same id."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec

from schemas.deliveries import Channel
from schemas.identity import OPERATOR, OWNER
from services.chassis.database import Connection
from services.chassis.jobs import GiveUp, Job, JobHandler, RetryLater, handle
from services.chassis.logs import logger
from services.chassis.unit import Unit
from services.gateway import metrics, store
from services.gateway.adapters.mail import Mailer, mail_fault
from services.gateway.adapters.webhook import WebhookSender
from services.gateway.domain.model import Notification
from services.gateway.domain.schedule import DeliveryVerdict, Outcome, next_wait_seconds
from services.gateway.job_kinds import (
    MoreRejects,
    Notify,
    deliver_webhook,
    notify_of_more,
    send_email,
)
from services.gateway.outbound.compose import compose, receiver_of, technician_of
from services.gateway.outbound.mail_text import body_of, subject_of
from services.gateway.outbound.owner_mail import mail_to_owner
from services.gateway.principals.contacts import Contacts
from services.gateway.store import sql
from services.gateway.usecases.note_rejects import notify_of_the_rest
from services.gateway.usecases.settle_delivery import delivered, undeliverable

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Messengers:
    """Whatever delivers, and who knows whom to call."""

    webhooks: WebhookSender
    mailer: Mailer
    contacts: Contacts
    public_url: str | None = None
    """Where browsers find these doors; None: owners have no pages."""


async def run_deliver_webhook(job: Job[Notify], messengers: Messengers) -> None:
    """POST a signed notification; 2xx is delivered, 410 closes the address, anything else is tried again."""
    async with job.read() as db:
        notification = await store.notification(db, job.args.notification_id)
        reseller = await store.reseller(db, notification.recipient)
        takes = reseller is not None and reseller.webhook_url and not reseller.webhook_closed_at
        if reseller is None or not takes:
            raise GiveUp("this recipient takes no webhooks")
        body = msgspec.json.encode(await compose(db, notification, messengers.contacts))
        receiver = await receiver_of(db, reseller, messengers.webhooks, job.now)
    verdict, answer = await messengers.webhooks.post(receiver, notification.id, body)
    metrics.DELIVERIES.labels(Channel.WEBHOOK, verdict.outcome).inc()
    if verdict.outcome is Outcome.DELIVERED:
        await _delivered(job, answer)
    else:
        await _not_delivered(job, notification.recipient, verdict, answer)


async def _not_delivered(
    job: Job[Notify], recipient: str, verdict: DeliveryVerdict, answer: str
) -> None:
    async with job.read() as db:
        await sql.note_attempt(db, id=job.args.notification_id, answer=answer)
        if verdict.outcome is Outcome.GONE:
            await sql.close_webhook(db, id=recipient, at=job.now)
            metrics.WEBHOOKS_CLOSED.set(await sql.webhooks_closed(db))
            log.warning(
                "a receiver answered 410: its reseller gets nothing more", reseller_id=recipient
            )
            raise GiveUp("the receiver answered 410")
    raise RetryLater(next_wait_seconds(job.kind.backoff.seconds(job.attempt), verdict), answer)


async def run_send_email(job: Job[Notify], messengers: Messengers) -> None:
    """Send a mail: to the operator, to the technician of a reseller, or to the owner of a firm."""
    async with job.read() as db:
        notification = await store.notification(db, job.args.notification_id)
        to, subject, text = await _mail(db, notification, messengers, job.now)
    try:
        await messengers.mailer.send(notification.id, to, subject, text)
    except Exception as error:  # noqa: BLE001 - whatever a mail server does is an attempt that failed
        metrics.DELIVERIES.labels(Channel.EMAIL, Outcome.RETRY).inc()
        answer = mail_fault(error)
        async with job.read() as db:
            await sql.note_attempt(db, id=notification.id, answer=answer)
        raise RetryLater(job.kind.backoff.seconds(job.attempt), answer) from None
    metrics.DELIVERIES.labels(Channel.EMAIL, Outcome.DELIVERED).inc()
    await _delivered(job, "sent")


async def _mail(
    db: Connection, notification: Notification, messengers: Messengers, now: datetime
) -> tuple[str | None, str, str]:
    """To whom a mail goes, its subject and its text. Raises `GiveUp`, `NotYet`."""
    if notification.recipient == OWNER:
        if messengers.public_url is None:
            raise GiveUp("owners have no pages here: VICINO_PUBLIC_URL is not set")
        found = await mail_to_owner(
            db, notification, messengers.contacts, messengers.public_url, now
        )
        return found.to, found.subject, found.text
    to_operator = notification.recipient == OPERATOR
    to = messengers.mailer.operator if to_operator else None
    if not to_operator:
        reseller = await store.reseller(db, notification.recipient)
        if reseller is None:
            raise GiveUp("there is no such reseller")
        to = technician_of(reseller, messengers.contacts)["email"]
    event = await compose(db, notification, messengers.contacts)
    subject, text = (say(event, to_operator=to_operator) for say in (subject_of, body_of))
    return to, subject, text


async def _delivered(job: Job[Notify], answer: str) -> None:
    async with job.finish() as unit:
        await delivered(job.args.notification_id, answer, unit)


async def gave_up(args: Notify, unit: Unit, why: str) -> None:
    """End the delivery."""
    await undeliverable(args.notification_id, why, unit)


async def run_notify_of_more(job: Job[MoreRejects]) -> None:
    """Notify a sender of rejects that came while it was notified of others."""
    async with job.finish() as unit:
        await notify_of_the_rest(job.args, unit)


def jobs(messengers: Messengers) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(
            deliver_webhook, partial(run_deliver_webhook, messengers=messengers), exhausted=gave_up
        ),
        handle(send_email, partial(run_send_email, messengers=messengers), exhausted=gave_up),
        handle(notify_of_more, run_notify_of_more),
    )
