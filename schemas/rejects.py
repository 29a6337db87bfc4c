"""Rejects: what a door let in and a service behind it refused."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from schemas.envelope import ATTRIBUTE_LENGTH_MAX, Payload
from schemas.scalars import Key, Text, storable
from schemas.topics import REJECTS

Attribute = Annotated[
    str,
    StringConstraints(min_length=1, max_length=ATTRIBUTE_LENGTH_MAX),
    AfterValidator(storable),
]
"""An attribute of the envelope, as its sender wrote it."""


class EventRejected(Payload, type="vicino.event.rejected.v1", topic=REJECTS):
    """An event got its 202 and was refused later: nothing of it has acted. Mended, it may be sent again under the same id.

    Its subject is that of the event. The sender is notified: of the first one at once, then of how many more there were.
    """

    sender: Key
    """Who sent it: the holder of the key."""
    source: Attribute
    id: Attribute
    type: Attribute
    service: Key
    """Which service refused it."""
    reason: Key
    detail: Text
    more: int = Field(default=0, ge=0)
    """In a notification: so many more of the sender's events were refused for this reason since the notification before."""
