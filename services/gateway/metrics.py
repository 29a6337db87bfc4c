"""Every metric of the gateway."""

from prometheus_client import Counter, Gauge, Histogram

from schemas.deliveries import Channel
from services.gateway.domain.faults import MEANINGS
from services.gateway.domain.schedule import Outcome

ACCEPTED = Counter("vicino_gateway_events_accepted_total", "Events let in", ["type"])
REFUSED = Counter("vicino_gateway_faults_total", "Faults for which events were refused", ["reason"])
REFUSALS_NOT_KEPT = Counter(
    "vicino_gateway_refusals_not_kept_total", "Faults that were counted, and no row kept of"
)
UNAVAILABLE = Counter("vicino_gateway_unavailable_total", "Requests answered 503")
PULSES = Counter(
    "vicino_gateway_pulses_total", "Pulses of the door, by what became of them", ["outcome"]
)
ORDER_IN_FLIGHT_SECONDS = Gauge(
    "vicino_gateway_order_in_flight_seconds",
    "For how long the oldest order is written and not known to be sent",
)
ERASED = Counter("vicino_gateway_erasures_total", "Tenants whose persons were erased")
CLOCK_BEHIND = Gauge(
    "vicino_gateway_clock_behind_seconds", "How far this clock is behind the highest instant seen"
)
REQUEST_SECONDS = Histogram(
    "vicino_gateway_request_seconds", "Time of a request at POST /v1/events"
)
WEBHOOKS_CLOSED = Gauge(
    "vicino_gateway_webhooks_closed", "Resellers that get nothing: their receiver answered 410"
)
DELIVERIES = Counter(
    "vicino_gateway_deliveries_total", "Attempts to tell someone", ["channel", "outcome"]
)

READS = Counter(
    "vicino_gateway_reads_total", "Questions passed on to another service", ["service", "outcome"]
)

OWNERS_PAGES = Counter("vicino_gateway_owners_pages_total", "Pages shown to owners", ["page"])

# Shown from the start: in a counter that appears with its first event, Prometheus sees no increase.
for _reason in MEANINGS:
    REFUSED.labels(_reason)
for _outcome_of_pulse in ("sent", "failed"):
    PULSES.labels(_outcome_of_pulse)
for _service in ("the read model", "billing"):
    for _outcome_of_read in ("answered", "unavailable"):
        READS.labels(_service, _outcome_of_read)
for _channel in Channel:
    for _outcome in Outcome:
        DELIVERIES.labels(_channel, _outcome)
