"""Every metric of monitoring."""

from prometheus_client import Counter

ALERTS = Counter("vicino_monitoring_alerts_total", "Alerts, by kind and what happened", ["kind", "event"])
