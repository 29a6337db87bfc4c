"""Every event type, in one place: importing this module fills the registry that `envelope.decode` reads."""

from schemas import alerts, billing, catalogue, deliveries, orders, rejects, signals, tenants, usage
from schemas.envelope import PAYLOADS, Payload
from schemas.topics import Topic

MODULES = (catalogue, orders, tenants, usage, signals, billing, alerts, deliveries, rejects)


def of_topic(topic: Topic) -> tuple[type[Payload], ...]:
    """The event types a topic carries, in the order they are defined."""
    return tuple(payload for payload in PAYLOADS.values() if payload.topic is topic)
