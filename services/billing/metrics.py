"""Every metric of billing."""

from prometheus_client import Counter, Gauge

USAGE = Counter(
    "vicino_billing_usage_events_total",
    "Usage events, by what became of them",
    ["outcome", "reason"],
)
INVOICES = Counter("vicino_billing_invoices_issued_total", "Invoices issued")
HELD = Gauge(
    "vicino_billing_run_held_seconds", "How long the run is held that is held longest; 0: none is"
)
LATE = Counter(
    "vicino_billing_usage_late_total", "Usage events that came after their month was invoiced"
)
DIFFERENCES = Gauge(
    "vicino_billing_meter_differences",
    "Buckets that differ from their raw events, at the newest check",
)
CHECKED = Gauge(
    "vicino_billing_meter_check_timestamp_seconds",
    "When buckets were last compared with their raw events",
)
AUDIT_DIFFERENCES = Gauge(
    "vicino_billing_audit_differences", "Places where the books do not agree, at the newest audit"
)
AUDITED = Gauge(
    "vicino_billing_audit_timestamp_seconds", "When the books were last compared with themselves"
)
