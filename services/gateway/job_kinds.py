"""The kinds of jobs: how often and how long each is tried. Use cases enqueue them, `jobs.py` runs them."""

from services.chassis.backoff import Backoff
from services.chassis.jobs import GIVE_UP_AFTER, OUTSIDE_CALL, JobKind
from services.chassis.pending import Limit
from services.chassis.unit import Args
from services.gateway.domain.schedule import ATTEMPTS, RETRY_AFTER_SECONDS

WEBHOOKS_AT_ONCE = 128
WEBHOOKS_AT_ONCE_TO_ONE = 4
MAILS_AT_ONCE = 2


def limit_of(recipient: str) -> Limit:
    """What holds how many webhooks one receiver gets at once: a dead one holds up nobody else."""
    return Limit(f"receiver:{recipient}", WEBHOOKS_AT_ONCE_TO_ONE)


class Notify(Args):
    """Deliver one notification."""

    notification_id: str


class MoreRejects(Args):
    """Notify a sender of what else was refused for a reason."""

    sender: str
    reason: str


deliver_webhook = JobKind(
    "deliver_webhook", Notify,
    attempts=ATTEMPTS, backoff=Backoff.schedule(RETRY_AFTER_SECONDS, jitter=0.1), concurrency=WEBHOOKS_AT_ONCE,
)  # fmt: skip
send_email = JobKind(
    "send_email",
    Notify,
    attempts=None,
    give_up_after=GIVE_UP_AFTER,
    backoff=OUTSIDE_CALL,
    concurrency=MAILS_AT_ONCE,
)
notify_of_more = JobKind("notify_of_more", MoreRejects, attempts=None)
