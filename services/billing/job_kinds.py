"""The kinds of jobs: their arguments, and how often and how long each is tried. Use cases enqueue them, `jobs.py` runs them."""

from datetime import date, datetime

from services.chassis.backoff import Backoff
from services.chassis.jobs import JobKind
from services.chassis.unit import Args

CATALOGUE = "catalogue"
"""What usage waits for that was accepted under a newer catalogue than is known here."""


class CountService(Args):
    """Begin to count a service."""

    service_id: str
    tenant_id: str
    sku: str
    item: int
    effective_at: datetime
    activated_at: datetime | None = None
    revision: int | None = None


class CountWaiting(Args):
    """Count what waited for the catalogue, or for an invoice run."""

    waits_for: str = CATALOGUE


class InvoiceRun(Args):
    """Invoice a tenant at a boundary."""

    tenant_id: str
    boundary: date


class WatchCaps(Args):
    """Tell which shares of a tenant's spending caps are spent."""

    tenant_id: str


class TellOverdue(Args):
    """Tell that an invoice is overdue, if something of it is open."""

    invoice_id: str


class CheckMeters(Args):
    """Compare buckets with their raw events, some tenants at a time; after the last tenant, drop old days."""

    day: date | None = None
    """The day that the check began; None: it has not begun."""
    beyond: str = ""
    """The last tenant that was compared."""
    buckets: int = 0
    differences: int = 0


class AuditBooks(Args):
    """Compare the books of the last months with themselves, some tenants at a time."""

    day: date | None = None
    """The day that the audit began; None: it has not begun."""
    beyond: str = ""
    """The last tenant that was compared."""
    compared: int = 0
    differences: int = 0


count_service = JobKind(
    "count_service", CountService, attempts=None, backoff=Backoff(0.2, max_seconds=30)
)
count_waiting = JobKind(
    "count_waiting", CountWaiting, attempts=None, backoff=Backoff(0.2, max_seconds=30)
)
invoice_run = JobKind("invoice_run", InvoiceRun, attempts=None, backoff=Backoff(5, max_seconds=600))
watch_caps = JobKind("watch_caps", WatchCaps, attempts=None, backoff=Backoff(5, max_seconds=600))
overdue = JobKind("overdue", TellOverdue, attempts=None, backoff=Backoff(5, max_seconds=600))
check_meters = JobKind(
    "check_meters",
    CheckMeters,
    attempts=None,
    backoff=Backoff(60, max_seconds=3600),
    lease_seconds=1800,
    concurrency=1,
)
audit_books = JobKind(
    "audit_books",
    AuditBooks,
    attempts=None,
    backoff=Backoff(60, max_seconds=3600),
    lease_seconds=1800,
    concurrency=1,
)
