"""Every metric of monitoring."""

from prometheus_client import Counter, Gauge

from schemas.alerts import AlertKind

ALERTS = Counter(
    "vicino_monitoring_alerts_total", "Alerts, by kind and what happened", ["kind", "event"]
)
UNTOLD = Counter(
    "vicino_monitoring_untold_alerts_total",
    "Alerts of which the operator, who is the last to be notified, could not be notified",
)
SILENCE_UNJUDGED = Gauge(
    "vicino_monitoring_silence_unjudged_seconds",
    "For how long a silence that is due could not be judged, the longest: the log is not read up, or the door was closed",
    ["reason"],
)

# Shown from the start: in a counter that appears with its first event, Prometheus sees no increase.
for _kind in AlertKind:
    for _event in ("opened", "raised", "acknowledged", "escalated", "resolved"):
        ALERTS.labels(_kind, _event)
