"""Every metric of the chassis, on one screen. Labels are topics, reasons and kinds: never a tenant."""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter(
    "vicino_engine_records_total", "Records taken, by what became of them", ["topic", "outcome"]
)
REJECTS = Counter("vicino_engine_rejects_total", "Records kept as rejects", ["topic", "reason"])
REFUSED_OVERDUE = Gauge(
    "vicino_refused_overdue_seconds",
    "For how long the oldest kept should be gone by now; 0 when none should",
    ["what"],
)
SLICE_SECONDS = Histogram(
    "vicino_engine_slice_seconds", "Time of one slice's transaction", ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15),
)  # fmt: skip
SLICE_RETRIES = Counter(
    "vicino_engine_slice_retries_total", "Slices tried again", ["topic", "error"]
)
HALVED = Counter(
    "vicino_engine_slices_halved_total",
    "Slices, or parts of them, that failed for what is in them",
    ["topic"],
)
TOLD_AGAIN = Counter(
    "vicino_engine_facts_told_again_total", "Facts of our own that came again with other content, and changed nothing",
    ["topic"],
)  # fmt: skip
PARKED = Counter(
    "vicino_engine_parked_records_total",
    "Records that wait for what they build on",
    ["topic", "reason"],
)
PARKED_OLDEST = Gauge(
    "vicino_engine_parked_oldest_seconds", "For how long the oldest record waits; 0 when none does"
)
GAPS = Counter("vicino_engine_gap_records_total", "Offsets never seen here", ["topic", "reason"])
HALTED = Gauge(
    "vicino_engine_halted_partitions",
    "Partitions stopped: their log is shorter than what we did, or cannot be read",
)
LAG = Gauge("vicino_engine_lag_records", "Records in Kafka not taken yet", ["topic"])
COMMIT_FAILURES = Counter(
    "vicino_engine_kafka_commit_failures_total",
    "Kafka commits that failed; harmless, see the fence",
)
OUTBOX_SENT = Counter("vicino_outbox_sent_total", "Facts that Kafka has")
OUTBOX_WAITING = Gauge("vicino_outbox_waiting", "Facts that wait for Kafka")
OUTBOX_FAILURES = Counter(
    "vicino_outbox_failures_total", "Rounds of the relay that failed", ["error"]
)
JOBS = Counter("vicino_jobs_total", "Runs of jobs, by what became of them", ["kind", "outcome"])
JOB_SECONDS = Histogram("vicino_job_seconds", "Time of one run of a job", ["kind"])
JOBS_WAITING = Gauge("vicino_jobs_waiting", "Jobs by state", ["kind", "state"])
JOBS_OVERDUE = Gauge(
    "vicino_jobs_overdue_seconds", "For how long the oldest due job has been due", ["kind"]
)
JOBS_FAILING = Gauge(
    "vicino_jobs_failing_seconds",
    "For how long a waiting job has failed by now, the longest",
    ["kind"],
)
WAITING = Gauge("vicino_waiting", "What waits for somebody, by kind", ["kind"])
WAITING_OLDEST = Gauge(
    "vicino_waiting_oldest_seconds",
    "For how long the oldest of it has waited; 0: none does",
    ["kind"],
)
READY = Gauge("vicino_ready", "1 when /readyz would say yes")
WRONG_TOKENS = Counter("vicino_wrong_tokens_total", "Wrong tokens presented at an API", ["door"])
CONNECTIONS = Gauge("vicino_http_connections", "HTTP connections that are open")
CONNECTIONS_REFUSED = Counter(
    "vicino_http_connections_refused_total",
    "Connections refused: too many in all, or of one address",
    ["reason"],
)
CONNECTIONS_ENDED = Counter(
    "vicino_http_connections_ended_total",
    "Connections ended: silent, a request that did not arrive, unread",
    ["reason"],
)
for _reason in ("all", "address"):
    CONNECTIONS_REFUSED.labels(_reason)
for _reason in ("silent", "arrival", "unread"):
    CONNECTIONS_ENDED.labels(_reason)
NAME_LOOKUPS = Counter(
    "vicino_name_lookups_total",
    "Look-ups of hosts outside: found, unknown, slow, or remembered as failed",
    ["outcome"],
)
for _outcome in ("found", "unknown", "slow", "remembered"):
    NAME_LOOKUPS.labels(_outcome)
CLIENTS_REPLACED = Counter(
    "vicino_kafka_clients_replaced_total",
    "Kafka clients replaced because a task of theirs had ended or stood still",
    ["client"],
)
