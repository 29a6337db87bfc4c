"""Every metric of onboarding."""

from prometheus_client import Counter, Histogram

from schemas.reasons import Reason

ASSIGNMENTS = Counter(
    "vicino_onboarding_assignments_total",
    "Tenants placed, by who chose; `nobody`: a person must",
    ["by"],
)
ORDERS = Counter(
    "vicino_onboarding_orders_total", "Orders ended, by what they came to", ["outcome"]
)
ORDERS_HELD = Counter(
    "vicino_onboarding_orders_held_total", "Orders that wait for a person, by why", ["reason"]
)
DRIVER_SECONDS = Histogram(
    "vicino_onboarding_driver_seconds", "Time of a back-end's answer", ["driver", "call"]
)

# Shown from the start: in a counter that appears with its first event, Prometheus sees no increase.
for _by in ("policy", "operator", "nobody"):
    ASSIGNMENTS.labels(_by)
for _outcome in ("completed", "partial", "failed"):
    ORDERS.labels(_outcome)
for _reason in (Reason.MANUAL_ASSIGNMENT, Reason.UNKNOWN_PLACE, Reason.QUOTA_EXCEEDED):
    ORDERS_HELD.labels(_reason)
