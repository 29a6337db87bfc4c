"""Every topic: what its key is, how it is cut and kept, who writes and who reads. Nothing else may name a topic."""

from dataclasses import dataclass

DEAD_LETTER_SUFFIX = ".dlq"
"""A record a reader refused is mirrored, with its reason, to `<topic>.dlq`; the row in `reject` is the truth."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream of events. `name` is logical; tests and shared clusters put a prefix before it."""

    name: str
    key: str
    partitions: int
    retention_days: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    about: str

    @property
    def dead_letters(self) -> str:
        """The topic that mirrors this one's rejected records."""
        return self.name + DEAD_LETTER_SUFFIX


ORDERS = Topic(
    "orders.v1",
    "tenant id",
    4,
    30,
    ("gateway",),
    ("onboarding",),
    "Orders accepted at the doors, and an operator's decisions about them.",
)
TENANTS = Topic(
    "tenants.v1",
    "tenant id",
    4,
    365,
    ("onboarding",),
    ("billing", "monitoring", "gateway", "console"),
    "What became of tenants, their orders, their reseller and their service instances.",
)
USAGE = Topic(
    "usage.v1",
    "tenant id",
    4,
    35,
    ("gateway",),
    ("billing",),
    "Measured usage. One event is counted once, by (tenant, source, id).",
)
SIGNALS = Topic(
    "signals.v1",
    "tenant id",
    4,
    30,
    ("gateway",),
    ("monitoring",),
    "Heartbeats, reported incidents, and what resellers say about alerts.",
)
BILLING = Topic(
    "billing.v1",
    "tenant id",
    4,
    365,
    ("billing",),
    ("gateway", "console", "onboarding"),
    "Invoices and what else money decides.",
)
ALERTS = Topic(
    "alerts.v1",
    "tenant id",
    4,
    90,
    ("monitoring",),
    ("gateway", "console"),
    "Trouble of a tenant's service, from opening to resolution.",
)
DELIVERIES = Topic(
    "deliveries.v1",
    "tenant id",
    4,
    30,
    ("gateway",),
    ("monitoring", "console"),
    "The outcome of each notification: delivered or failed.",
)
CATALOGUE = Topic(
    "catalogue.v1",
    "catalogue",
    1,
    3650,
    ("gateway",),
    ("onboarding", "billing", "monitoring", "console"),
    "Plans, meters and resellers, in one total order numbered by revision.",
)

REJECTS = Topic(
    "rejects.v1",
    "tenant id",
    4,
    30,
    ("onboarding", "billing", "monitoring"),
    ("gateway",),
    "Events that a door let in and a service refused: for their senders.",
)

TOPICS = (ORDERS, TENANTS, USAGE, SIGNALS, BILLING, ALERTS, DELIVERIES, CATALOGUE, REJECTS)
BY_NAME = {topic.name: topic for topic in TOPICS}
