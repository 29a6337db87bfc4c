"""Where an event goes among the partitions of its topic: one tenant's in one place, but for the usage of the very large."""

from collections.abc import Set as AbstractSet
from zlib import crc32

from schemas.envelope import Event, Payload
from schemas.usage import UsageRecorded

SPREAD = 64
"""Keys that a very large tenant's usage is spread over: enough for any number of partitions to get its share."""


def key_of(event: Event[Payload], very_large: AbstractSet[str]) -> bytes:
    """The key of an event in Kafka. The same event has the same key, so what is sent twice stands in one partition."""
    tenant = event.subject.encode()
    if event.subject not in very_large or not isinstance(event.data, UsageRecorded):
        return tenant
    return b"%b/%d" % (tenant, crc32(event.id.encode()) % SPREAD)
