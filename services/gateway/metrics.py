"""Every metric of the gateway."""

from prometheus_client import Counter, Histogram

ACCEPTED = Counter("vicino_gateway_events_accepted_total", "Events let in", ["type"])
REFUSED = Counter("vicino_gateway_faults_total", "Faults for which events were refused", ["reason"])
UNAVAILABLE = Counter("vicino_gateway_unavailable_total", "Requests answered 503")
REQUEST_SECONDS = Histogram("vicino_gateway_request_seconds", "Time of a request at POST /v1/events")
DELIVERIES = Counter("vicino_gateway_deliveries_total", "Attempts to tell someone", ["channel", "outcome"])
