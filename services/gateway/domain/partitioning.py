"""Where an event goes among the partitions of its topic: one tenant's in one place, but for the usage of the very large."""

from collections.abc import Set as AbstractSet
from zlib import crc32

from schemas.envelope import Event, Payload
from schemas.usage import UsageRecorded

SPREAD = 64
"""Keys that a very large tenant's usage is spread over: enough for any number of partitions to get its share."""


def key_of(event: Event[Payload], very_large: AbstractSet[str]) -> bytes:
    """The key of an event in Kafka. The same event has the same key, so what is sent twice stands in one partition."""
    if not isinstance(event.data, UsageRecorded):
        return event.subject.encode()
    return key_of_usage(event.subject, event.id, very_large)


def key_of_usage(tenant_id: str, event_id: str, very_large: AbstractSet[str]) -> bytes:
    """The key of a usage event."""
    tenant = tenant_id.encode()
    if tenant_id not in very_large:
        return tenant
    return b"%b/%d" % (tenant, crc32(event_id.encode()) % SPREAD)
