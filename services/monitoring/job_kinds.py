"""The kinds of jobs: their arguments, and how often and how long each is tried. Use cases enqueue them, `jobs.py` runs them."""

from datetime import datetime

from schemas.identity import event_name, joined
from schemas.signals import Severity
from schemas.topics import SIGNALS
from services.chassis.jobs import JobKind
from services.chassis.unit import Args

SERVICE_WAIT_ATTEMPTS = 200
SILENCE_PLACES = 2
"""Silences of one partition that are judged at a time, in all copies of the service."""


class Escalate(Args):
    """An alert that should have been acknowledged by now."""

    alert_id: str


class LateBeat(Args):
    """A beat of a service that is perhaps not known yet."""

    service_id: str
    tenant_id: str
    beat_at: datetime
    principal: str | None = None


class Report(Args):
    """An incident of a service that is perhaps not known yet."""

    event_id: str
    """Source and id as earlier builds joined them."""
    service_id: str
    tenant_id: str
    severity: Severity
    summary: str
    source: str = ""
    id: str = ""
    principal: str | None = None

    @property
    def cause(self) -> str:
        """The fact behind it. A job of an earlier build holds only `event_id`."""
        if not self.id:
            return joined("incident", self.tenant_id, self.event_id)
        return joined("incident", event_name(self.tenant_id, self.source, self.id, self.principal))


class StateDue(Args):
    """A service that is in another state from an instant on."""

    service_id: str
    effective_at: datetime


class Silence(Args):
    """A service whose next beat is overdue, unless one has come since `beat_at`."""

    service_id: str
    beat_at: datetime


escalate = JobKind("escalate", Escalate, attempts=None)
late_beat = JobKind("late_beat", LateBeat, attempts=SERVICE_WAIT_ATTEMPTS)
report = JobKind("report", Report, attempts=SERVICE_WAIT_ATTEMPTS)
state_due = JobKind("state_due", StateDue, attempts=None)
silence = JobKind(
    "silence", Silence, attempts=None, concurrency=2 * SILENCE_PLACES * SIGNALS.partitions
)
