"""Every metric of billing."""

from prometheus_client import Counter

USAGE = Counter("vicino_billing_usage_events_total", "Usage events, by what became of them", ["outcome", "reason"])
INVOICES = Counter("vicino_billing_invoices_issued_total", "Invoices issued")
