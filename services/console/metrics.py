"""Every metric of the console."""

from prometheus_client import Counter

from services.console.domain.acts import ActKind, ActOutcome

PAGES = Counter("vicino_console_pages_total", "Pages and answers of the query API served", ["page"])
ACTS = Counter("vicino_console_acts_total", "What operators asked for", ["kind", "outcome"])
GATEWAY = Counter(
    "vicino_console_requests_total", "Requests to another service", ["service", "outcome"]
)
for _kind in ActKind:
    for _outcome in ActOutcome:
        ACTS.labels(_kind, _outcome)
