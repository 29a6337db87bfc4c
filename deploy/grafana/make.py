"""Makes a dashboard per service: `python deploy/grafana/make.py`. A panel is a title, a query and what a bad value means."""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"

Panel = tuple[str, str, str, str]
"""Title, unit, query, meaning."""

COMMON: tuple[Panel, ...] = (
    ("Ready", "short", "vicino_ready", "0: something does not move; /readyz says what."),
    (
        "Records waiting",
        "short",
        "vicino_engine_lag_records",
        "Growing: the service is slower than its topic, or stuck.",
    ),
    (
        "Records taken per second",
        "ops",
        "sum by (outcome) (rate(vicino_engine_records_total[1m]))",
        "Rejected above zero: look at the rejects.",
    ),
    (
        "Slice time, p99",
        "s",
        "histogram_quantile(0.99, sum by (le) (rate(vicino_engine_slice_seconds_bucket[5m])))",
        "Above one second: the database is slow.",
    ),
    ("Facts waiting", "short", "vicino_outbox_waiting", "Not falling: Kafka does not take them."),
    (
        "Jobs by state",
        "short",
        "sum by (kind, state) (vicino_jobs_waiting)",
        "Failed above zero: a person must look.",
    ),
)
OWN: dict[str, tuple[Panel, ...]] = {
    "gateway": (
        ("Waiting longest", "s", "max by (kind) (vicino_waiting_oldest_seconds)", "Hours: a receiver does not take its notifications."),
        ("Events accepted per second", "ops", "sum by (type) (rate(vicino_gateway_events_accepted_total[1m]))", "Zero in working hours: senders have a problem."),
        ("Faults at the door", "short", "sum by (reason) (increase(vicino_gateway_faults_total[5m]))", "One reason rising: a sender's mistake; call them."),
        ("Time at the door, p99", "s", "histogram_quantile(0.99, sum by (le) (rate(vicino_gateway_request_seconds_bucket[5m])))", "Above one second: Kafka is slow to acknowledge."),
        ("Deliveries", "short", "sum by (channel, outcome) (increase(vicino_gateway_deliveries_total[5m]))", "Retries rising: a receiver is down."),
        ("Answered 503", "short", "increase(vicino_gateway_unavailable_total[5m])", "Above zero: Kafka or the database is unavailable."),
    ),
    "onboarding": (
        ("Waiting longest", "s", "max by (kind) (vicino_waiting_oldest_seconds)", "Hours: a person must choose a reseller or decide about an order; undo: a back-end does not take away what was made."),
        ("Tenants placed", "short", "sum by (by) (increase(vicino_onboarding_assignments_total[1h]))", "`nobody` above zero: a tenant waits for a person."),
        ("Orders ended", "short", "sum by (outcome) (increase(vicino_onboarding_orders_total[1h]))", "Failed above zero: see the console's waiting list."),
        ("Back-ends' answers, p99", "s", "histogram_quantile(0.99, sum by (le, driver) (rate(vicino_onboarding_driver_seconds_bucket[5m])))", "Near the time-out: the back-end is slow."),
    ),
    "billing": (
        ("Usage per second", "ops", "sum by (outcome) (rate(vicino_billing_usage_events_total[1m]))", "Parked for long: a service is not announced, or the catalogue does not come."),
        ("Usage rejected", "short", 'sum by (reason) (increase(vicino_billing_usage_events_total{outcome="rejected"}[1h]))', "A reason rising: a sender's mistake."),
        ("Usage too late for its invoice", "short", "sum(increase(vicino_billing_usage_late_total[1h]))", "Above zero: counted and noted; a correction is to follow."),
        ("Buckets that differ from their events", "short", "max(vicino_billing_meter_differences)", "Above zero: what is added up is wrong; `vicino meters verify` says where."),
        ("Age of the newest check of buckets", "s", "time() - min(vicino_billing_meter_check_timestamp_seconds > 0)", "Above six hours: the check does not end, or nobody begins it."),
        ("Invoices issued", "short", "increase(vicino_billing_invoices_issued_total[1d])", "Zero two days after the first of a month: runs do not finish."),
    ),
    "monitoring": (
        ("Waiting longest", "s", "max by (kind) (vicino_waiting_oldest_seconds)", "A quarter of an hour: nobody has taken a tenant's trouble in hand."),
        ("Alerts", "short", "sum by (kind, event) (increase(vicino_monitoring_alerts_total[1h]))", "Escalated above zero: a reseller did not answer."),
    ),
    "console": (
        ("Pages per second", "ops", "sum by (page) (rate(vicino_console_pages_total[5m]))", "Only of interest together with complaints."),
    ),
}  # fmt: skip


def panel(n: int, service: str, spec: Panel) -> dict[str, Any]:
    """One panel, two in a row."""
    title, unit, query, meaning = spec
    return {
        "id": n + 1, "type": "timeseries", "title": title, "description": meaning,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {"x": 12 * (n % 2), "y": 8 * (n // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": query, "legendFormat": "__auto"}],
    }  # fmt: skip


def dashboard(service: str) -> dict[str, Any]:
    """The dashboard of a service; its variable keeps every query to that service's instances."""
    panels = [panel(n, service, spec) for n, spec in enumerate((*OWN[service], *COMMON))]
    return {
        "uid": f"vicino-{service}", "title": f"Vicino: {service}", "tags": ["vicino"], "schemaVersion": 41, "editable": False,
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "panels": [scoped(item, service) for item in panels],
    }  # fmt: skip


def scoped(item: dict[str, Any], service: str) -> dict[str, Any]:
    """Keep the chassis' queries to one service: every service has those metrics."""
    for target in item["targets"]:
        for name in (
            "vicino_ready",
            "vicino_engine_",
            "vicino_outbox_waiting",
            "vicino_jobs_waiting",
        ):
            if name in target["expr"]:
                target["expr"] = _select(target["expr"], service)
                break
    return item


def _select(query: str, service: str) -> str:
    import re

    return re.sub(r"(vicino_[a-z_]+)(?!\w|\{)", rf'\1{{service="{service}"}}', query)


def main() -> int:
    """Write all dashboards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for service in OWN:
        (FOLDER / f"{service}.json").write_text(
            json.dumps(dashboard(service), indent=1) + "\n", encoding="utf-8"
        )
        sys.stdout.write(f"{service}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
